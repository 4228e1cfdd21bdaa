"""POST /v1/chat/completions."""

import json
from typing import Any

import pytest

from segue.chat.template.template import CHATML
from tests.kit.byte_vocabulary import BOS, EOS, ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

PATH = "/v1/chat/completions"
HELLO = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
PROMPT = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"


def says(text: str) -> FakeLoop:
    return FakeLoop(reply=lambda _: [*text.encode(), EOS])


def prompt_of(running: Live) -> str:
    vocabulary = ByteVocabulary()
    return b"".join(map(vocabulary.piece, running.loop.jobs[-1].tokens.tolist())).decode().removeprefix("<s>")


def content(events: list[str], index: int = 0) -> str:
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    choices = [choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def test_a_whole_reply_has_openais_shape() -> None:
    with live(says("Hi there"), alias=["tiny"]) as running:
        body = running.post(PATH, messages=HELLO, model="whatever").json()
        assert prompt_of(running) == PROMPT
    assert body["object"] == "chat.completion"
    assert body["model"] == "tiny"
    assert body["id"].startswith("chatcmpl-")
    assert body["choices"] == [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi there"}}
    ]
    n_prompt = len(running.loop.jobs[0].tokens)
    assert body["usage"] == {
        "prompt_tokens": n_prompt,
        "completion_tokens": 9,
        "total_tokens": n_prompt + 9,
        "prompt_tokens_details": {"cached_tokens": 0},
    }
    assert body["timings"] == {
        "cache_n": 0,
        "prompt_n": n_prompt,
        "prompt_ms": 2.0 * n_prompt,
        "prompt_per_token_ms": 2.0,
        "prompt_per_second": 500.0,
        "predicted_n": 9,
        "predicted_ms": 32.0,
        "predicted_per_token_ms": 4.0,
        "predicted_per_second": 250.0,
    }
    assert body["cache"]["n_prompt"] == body["cache"]["n_read"] == body["cache"]["new"] == n_prompt


def test_a_repeat_is_told_as_cached(server: Live) -> None:
    server.post(PATH, messages=HELLO)
    body = server.post(PATH, messages=HELLO).json()
    assert body["usage"]["prompt_tokens_details"]["cached_tokens"] == body["usage"]["prompt_tokens"]
    assert body["timings"]["prompt_n"] == 0
    assert body["timings"]["prompt_per_second"] == 0
    assert body["cache"]["from_tier"] == "parked"


def test_a_stream_says_the_same(server: Live) -> None:
    whole = server.post(PATH, messages=HELLO).json()
    events = server.events("/chat/completions", messages=HELLO)
    assert events[-1] == "[DONE]"
    first, *_, last = [json.loads(event) for event in events[:-1]]
    assert first["choices"] == [{"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": None}}]
    assert first["object"] == "chat.completion.chunk"
    assert content(events) == whole["choices"][0]["message"]["content"]
    assert last["choices"] == [{"index": 0, "finish_reason": "stop", "delta": {}}]
    assert last["timings"]["predicted_n"] == whole["timings"]["predicted_n"]
    assert last["cache"]["n_prompt"] == whole["cache"]["n_prompt"]
    assert "usage" not in last
    assert len({json.loads(event)["id"] for event in events[:-1]}) == 1


def test_usage_comes_in_a_last_chunk_of_its_own(server: Live) -> None:
    events = server.events(PATH, messages=HELLO, stream_options={"include_usage": True})
    finish, usage = (json.loads(event) for event in events[-3:-1])
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert "timings" not in finish
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == usage["timings"]["predicted_n"] > 0
    assert usage["cache"]["n_prompt"] == usage["usage"]["prompt_tokens"]


def test_choices_differ_by_seed(server: Live) -> None:
    n_before = len(server.loop.jobs)
    body = server.post(PATH, messages=HELLO, n=3, seed=7).json()
    assert [job.sampling.seed for job in server.loop.jobs[n_before:]] == [7, 8, 9]
    texts = [choice["message"]["content"] for choice in body["choices"]]
    assert [text[-2:] for text in texts] == ["-7", "-8", "-9"]
    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert body["usage"]["prompt_tokens"] == len(server.loop.jobs[-1].tokens)
    assert body["usage"]["completion_tokens"] == 3 * 11


def test_choices_are_streamed_side_by_side(server: Live) -> None:
    events = server.events(PATH, messages=HELLO, n=2, seed=2**32 - 2, stream_options={"include_usage": True})
    assert content(events, 0).endswith("-4294967294")
    assert content(events, 1).endswith("-0")
    chunks = [json.loads(event) for event in events[:-1]]
    finishes = [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0]["finish_reason"]]
    assert [chunk["choices"][0]["index"] for chunk in finishes] == [0, 1]
    assert all("timings" in chunk for chunk in finishes)
    assert chunks[-1]["usage"]["completion_tokens"] == sum(chunk["timings"]["predicted_n"] for chunk in finishes)
    assert events[-1] == "[DONE]"


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_stop_string_ends_the_reply(is_streamed: bool) -> None:
    with live(says("one STOP two")) as running:
        for stop in ("STOP", ["never", "", "STOP"]):
            if is_streamed:
                events = running.events(PATH, messages=HELLO, stop=stop)
                text, reason = content(events), json.loads(events[-2])["choices"][0]["finish_reason"]
            else:
                choice = running.post(PATH, messages=HELLO, stop=stop).json()["choices"][0]
                text, reason = choice["message"]["content"], choice["finish_reason"]
            assert (text, reason) == ("one ", "stop")


def test_the_server_s_stop_strings_are_for_requests_without_any() -> None:
    with live(says("one STOP two END three"), reverse_prompt=["END"]) as running:
        for stop, text in ((None, "one STOP two "), ([], "one STOP two "), ("STOP", "one ")):
            choice = running.post(PATH, messages=HELLO, stop=stop).json()["choices"][0]
            assert (choice["message"]["content"], choice["finish_reason"]) == (text, "stop")


def test_control_tokens_are_shown_where_the_server_is_told_so() -> None:
    for special, text in ((False, "one"), (True, "<s>one")):
        with live(FakeLoop(reply=lambda _: [BOS, *b"one", EOS]), special=special) as running:
            assert running.post(PATH, messages=HELLO).json()["choices"][0]["message"]["content"] == text


def test_replies_are_not_taken_apart_where_the_server_is_told_so() -> None:
    said = '<think>Hm.</think>Yes.<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    for skips in (False, True):
        with live(says(said), skip_chat_parsing=skips) as running:
            message = running.post(PATH, messages=HELLO, tools=tools).json()["choices"][0]["message"]
            assert (message["content"] == said, "tool_calls" in message) == (skips, not skips)


@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_was_held_back_for_a_stop_string_is_sent_in_the_end(is_streamed: bool) -> None:
    with live(says("one STO")) as running:
        if is_streamed:
            text = content(running.events(PATH, messages=HELLO, stop="STOP"))
        else:
            text = running.post(PATH, messages=HELLO, stop="STOP").json()["choices"][0]["message"]["content"]
    assert text == "one STO"


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens", "n_predict"])
def test_the_limit_has_three_names(server: Live, field: str) -> None:
    body = server.post(PATH, messages=HELLO, **{field: 3}).json()
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["usage"]["completion_tokens"] == 3


def test_a_limit_of_zero_only_reads(server: Live) -> None:
    messages = [{"role": "user", "content": "warm me"}]
    body = server.post(PATH, messages=messages, n_predict=0).json()
    assert body["choices"][0]["message"]["content"] == ""
    assert body["usage"]["completion_tokens"] == 0
    events = server.events(PATH, messages=messages, n_predict=0)
    assert [json.loads(event)["choices"][0]["delta"] for event in events[:-1]] == [
        {"role": "assistant", "content": None},
        {},
    ]


def test_an_unfinished_character_waits_for_its_rest() -> None:
    with live(says("häß🙂")) as running:
        events = running.events(PATH, messages=HELLO)
        texts = [json.loads(event)["choices"][0]["delta"].get("content") for event in events[:-1]]
    assert texts == [None, "h", "ä", "ß", "🙂", None]


def test_logprobs() -> None:
    with live(says("hé")) as running:
        body = running.post(PATH, messages=HELLO, logprobs=True, top_logprobs=2).json()
        tokens = body["choices"][0]["logprobs"]["content"]
        assert [token["bytes"] for token in tokens] == [[104], [195], [169]]
        assert tokens[0]["token"] == "h"
        assert tokens[0]["logprob"] == -0.25
        assert [(rival["token"], rival["logprob"]) for rival in tokens[0]["top_logprobs"]] == [
            ("h", -0.25),
            ("i", -1.25),
        ]
        events = running.events(PATH, messages=HELLO, logprobs=True, top_logprobs=2)
        chunks = [json.loads(event)["choices"][0] for event in events[:-1]]
        streamed = [token for chunk in chunks for token in chunk.get("logprobs", {}).get("content", [])]
        assert streamed == tokens
        assert running.loop.jobs[-1].n_probs == 2
        bare = running.post(PATH, messages=HELLO, logprobs=True, top_logprobs=0).json()
        assert [token["top_logprobs"] for token in bare["choices"][0]["logprobs"]["content"]] == [[], [], []]
        running.post(PATH, messages=HELLO, logprobs=True)
        assert running.loop.jobs[-1].n_probs == 20
        assert "logprobs" not in running.post(PATH, messages=HELLO).json()["choices"][0]


def test_probabilities_after_sampling() -> None:
    with live(says("h")) as running:
        body = running.post(PATH, messages=HELLO, logprobs=True, top_logprobs=1, post_sampling_probs=True).json()
        assert running.loop.jobs[-1].post_sampling_probs
    token = body["choices"][0]["logprobs"]["content"][0]
    assert token["prob"] == pytest.approx(0.7788, abs=1e-4)
    assert token["top_probs"][0]["id"] == ord("h")


def test_progress_and_timings_on_demand(server: Live) -> None:
    events = server.events(PATH, messages=[{"role": "user", "content": "P" * 50}], return_progress=True)
    progress = [json.loads(event) for event in events[:2]]
    assert [chunk["prompt_progress"]["processed"] for chunk in progress][1] == progress[1]["prompt_progress"]["total"]
    assert set(progress[0]["prompt_progress"]) == {"total", "cache", "processed", "time_ms"}
    assert [chunk["choices"][0]["delta"] for chunk in progress] == [{"role": "assistant", "content": None}, {}]
    timed = server.events(PATH, messages=HELLO, timings_per_token=True)
    assert [json.loads(event)["timings"]["predicted_n"] for event in timed[1:4]] == [1, 2, 3]
    assert not any("timings" in chunk for chunk in progress)
    both = server.events(PATH, messages=HELLO, return_progress=True, timings_per_token=True)
    assert all({"timings", "prompt_progress"} <= json.loads(event).keys() for event in both[:2])


# Signs of gpt-oss, FunctionGemma, Gemma 4, Llama 4, and of Qwen3.
@pytest.mark.parametrize(
    "signs", ["<|channel|><|message|>", "<start_function_call>", "<|tool_call>", "<|header_start|>", ""]
)
def test_calls_can_be_required_whatever_form_they_have(signs: str) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": schema}}
    named = {"type": "function", "function": {"name": "f"}}
    with live(says("Hi"), chat_template=CHATML + f"{{# {signs} #}}") as running:
        for choice in (None, "auto", "required", named):
            assert running.post(PATH, messages=HELLO, tools=[tool], tool_choice=choice).status_code == 200


@pytest.mark.parametrize(
    ("signs", "call"),
    [
        (
            "<|channel|><|message|>",
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant"
            '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"x": "a"}<|call|>',
        ),
        ("<start_function_call>", "<start_function_call>call:f{x:<escape>a<escape>}<end_function_call>"),
        ("<|tool_call>", '<|tool_call>call:f{x:<|"|>a<|"|>}<tool_call|>'),
        ("<|header_start|>", '[f(x="a")]'),
        ("", '<tool_call>{"name": "f", "arguments": {"x": "a"}}</tool_call>'),
    ],
)
def test_a_required_call_is_what_the_family_writes(signs: str, call: str) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    with live(says(call), chat_template=CHATML + f"{{# {signs} #}}") as running:
        reply = running.post(PATH, messages=HELLO, tools=[tool], tool_choice="required", max_tokens=300).json()
        make = running.loop.jobs[-1].make_mask
        assert make is not None
        mask = make()
        for byte in call.encode():
            assert byte in mask.choice().tokens(260)
            mask.accept(byte)
        assert EOS in mask.choice().tokens(260)
    assert reply["choices"][0]["finish_reason"] == "tool_calls"
    (made,) = reply["choices"][0]["message"]["tool_calls"]
    assert (made["function"]["name"], json.loads(made["function"]["arguments"])) == ("f", {"x": "a"})


# A name that Python has not, and one with a blank.
@pytest.mark.parametrize(("signs", "name"), [("<|header_start|>", "a-b"), ("<|channel|><|message|>", "a b")])
def test_a_strict_tool_is_no_error_where_its_calls_cannot_be_prescribed(signs: str, name: str) -> None:
    tool = {"type": "function", "function": {"name": name, "strict": True, "parameters": {"type": "object"}}}
    with live(says("Hi"), chat_template=CHATML + f"{{# {signs} #}}") as running:
        assert running.post(PATH, messages=HELLO, tools=[tool]).status_code == 200
        refused = running.post(PATH, messages=HELLO, tools=[tool], tool_choice="required")
        assert refused.status_code == 400
        assert f"tool {name}" in refused.json()["error"]["message"]


def test_a_format_goes_before_the_strictness_of_a_tool() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {"type": "object"}}}
    body = {"messages": HELLO, "tools": [tool], "response_format": {"type": "json_object"}}
    with live(says("{}")) as running:
        assert running.post(PATH, **body).json()["choices"][0]["message"]["content"] == "{}"
        assert running.post(PATH, tool_choice="required", **body).status_code == 400


def test_what_the_template_gets() -> None:
    template = (
        "{#- <think> -#}"
        "{{ tools | tojson if tools else 'none' }}|{{ enable_thinking }}|{{ reasoning_effort }}|{{ color }}|"
        "{%- for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}{{ add_generation_prompt }}"
        "{% if false %}<think></think>{% endif %}"
    )
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    with live(chat_template=template, chat_template_kwargs={"color": "red"}) as running:
        asks: list[tuple[dict[str, Any], str]] = [
            ({}, "none|True||red|user:u;True"),
            ({"tools": []}, "none|True||red|user:u;True"),
            ({"tools": [tool], "tool_choice": "none", "parallel_tool_calls": True}, json.dumps([tool]) + "|True||red|"),
            ({"chat_template_kwargs": {"color": "blue", "enable_thinking": False}}, "none|False||blue|"),
            ({"reasoning_effort": "high"}, "none|True|high|red|"),
            ({"reasoning_effort": "none"}, "none|False||red|"),
            ({"add_generation_prompt": False}, "none|True||red|user:u;False"),
            (
                {"messages": [{"role": "developer", "content": "d"}, {"role": "user", "content": "u"}]},
                "none|True||red|system:d;",
            ),
            (
                {
                    "messages": [
                        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
                    ]
                },
                "none|True||red|user:a\nb;",
            ),
        ]
        for fields, expected in asks:
            body = {"messages": [{"role": "user", "content": "u"}], **fields}
            assert running.post(PATH, **body).status_code == 200
            assert prompt_of(running).startswith(expected)


def test_a_last_message_of_the_assistant_is_continued(server: Live) -> None:
    said = [*HELLO, {"role": "assistant", "content": "Good"}]
    assert server.post(PATH, messages=said).status_code == 200
    assert prompt_of(server) == PROMPT + "Good"
    assert server.post(PATH, messages=said, continue_final_message=True, add_generation_prompt=False).status_code == 200
    assert prompt_of(server) == PROMPT + "Good"
    assert server.post(PATH, messages=said, continue_final_message=False).status_code == 200
    assert prompt_of(server) == PROMPT + "Good<|im_end|>\n<|im_start|>assistant\n"


def test_a_reply_that_is_continued_has_done_its_thinking() -> None:
    with live(chat_template="{{ messages[0].content }}<think>{{ '' if enable_thinking else '</think>' }}") as running:
        said = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "Good"}]
        running.post(PATH, messages=said[:1])
        assert prompt_of(running) == "u<think>"
        running.post(PATH, messages=said)
        assert prompt_of(running) == "u<think></think>Good"
        running.post(PATH, messages=said, chat_template_kwargs={"enable_thinking": True})
        assert prompt_of(running) == "u<think></think>Good"


@pytest.mark.parametrize("fields", [{"n_indent": 4}, {"speculative.n_max": 3}, {"prediction": {"content": "x"}}])
def test_what_changes_no_reply_here_is_passed_over(server: Live, fields: dict[str, Any]) -> None:
    assert server.post(PATH, messages=HELLO, max_tokens=1, **fields).status_code == 200
    assert server.post("/completion", prompt="x", n_predict=1, **fields).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "part"),
    [
        ({"messages": None}, 400, "messages"),
        ({"messages": None}, 400, "'messages'"),
        ({"messages": "hello"}, 400, "messages"),
        ({"messages": [123]}, 400, "messages"),
        ({"messages": [{}]}, 400, "messages.0.role"),
        ({"messages": [{"role": 123}]}, 400, "messages.0.role"),
        ({"messages": [{"role": "user", "content": 123}]}, 400, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [3]}]}, 400, "messages.0.content"),
        ({"messages": [*HELLO, {"role": "assistant", "tool_calls": 3}]}, 400, "messages.2.tool_calls"),
        ({"messages": [{"role": "user", "content": "x", "tool_calls": [1]}]}, 400, "messages.0.tool_calls"),
        ({"continue_final_message": True, "add_generation_prompt": True}, 400, "exclude"),
        ({"tools": "x"}, 400, "tools"),
        ({"tool_choice": "required"}, 400, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, 400, "tool_choice"),
        ({"lora": [{"id": 0}]}, 501, "lora"),
        ({"reasoning_format": "loud"}, 400, "reasoning_format"),
        ({"chat_template_kwargs": {"messages": []}}, 400, "chat_template_kwargs"),
        ({"chat_template_kwargs": 3}, 400, "chat_template_kwargs"),
        ({"chat_template_kwargs": {"enable_thinking": "false"}}, 400, "enable_thinking must be true or false"),
        ({"top_logprobs": 3}, 400, "top_logprobs"),
        ({"logprobs": 3}, 400, "logprobs"),
        ({"stream": "yes"}, 400, "stream"),
        ({"n": 0}, 400, "n"),
        ({"stop": [1]}, 400, "stop"),
        ({"id_slot": "4"}, 400, "id_slot"),
        ({"temperature": "-1"}, 400, "temperature"),
        ({"max_tokens": -2}, 400, "max_tokens"),
    ],
)
def test_what_is_refused(server: Live, fields: dict[str, Any], status: int, part: str) -> None:
    response = server.post(PATH, **{"messages": HELLO, **fields})
    error = response.json()["error"]
    assert response.status_code == error["code"] == status
    assert error["type"] == ("invalid_request_error" if status == 400 else "not_supported_error")
    assert part in error["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"store": False, "metadata": {"a": 1}, "user": "u", "prompt_cache_key": "k", "service_tier": "auto"},
        {"response_format": {"type": "text"}, "grammar": "", "json_schema": None, "lora": []},
        {"temperature": None, "stop": None, "n": None, "tools": None, "stream_options": None, "logprobs": None},
        {"logprobs": False, "stream": False, "reasoning_format": "none", "cache_prompt": False, "id_slot": 2},
        {"max_tokens": 5.0, "seed": 2**63, "top_k": -1},
    ],
)
def test_what_is_tolerated(server: Live, fields: dict[str, Any]) -> None:
    assert server.post(PATH, messages=HELLO, **fields).status_code == 200


def test_a_template_that_refuses_is_the_requests_fault() -> None:
    with live(chat_template="{{ raise_exception('roles must alternate') }}") as running:
        error = running.post(PATH, messages=HELLO).json()["error"]
    assert error["code"] == 400
    assert "roles must alternate" in error["message"]


def test_a_last_message_of_the_assistant_is_complete_where_the_server_is_told_so() -> None:
    said = [*HELLO, {"role": "assistant", "content": "Good"}]
    with live(prefill_assistant=False) as running:
        assert running.post(PATH, messages=said).status_code == 200
        assert prompt_of(running) == PROMPT + "Good<|im_end|>\n<|im_start|>assistant\n"
        asked = {"continue_final_message": True, "add_generation_prompt": False}
        assert running.post(PATH, messages=said, **asked).status_code == 200
        assert prompt_of(running) == PROMPT + "Good"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions"])
def test_counting_tokens_needs_no_room_for_them(server: Live, path: str) -> None:
    messages = [{"role": "user", "content": "hi"}]
    counted = server.post(f"{path}/input_tokens", messages=messages).json()
    server.post(path, messages=messages)
    assert counted == {"object": "response.input_tokens", "input_tokens": len(server.loop.jobs[-1].tokens)}
    long = server.post(f"{path}/input_tokens", messages=[{"role": "user", "content": "x" * 5000}])
    assert long.json()["input_tokens"] > 5000


@pytest.mark.parametrize("is_streamed", [False, True])
@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/completions", {"prompt": "hi"}),
    ],
)
def test_a_verbose_reply_shows_its_request(path: str, asked: dict[str, Any], is_streamed: bool) -> None:
    with live(verbosity=9) as running, live(verbosity=10) as verbose:
        for server, fields, shows in ((running, {}, False), (running, {"verbose": True}, True), (verbose, {}, True)):
            body = {**asked, **fields, "n_predict": 3}
            last = json.loads(server.events(path, **body)[-2]) if is_streamed else server.post(path, **body).json()
            assert ("__verbose" in last) == shows
            if shows:
                shown = last["__verbose"]
                assert "hi" in shown["prompt"]
                assert (len(shown["content"]), shown["generation_settings"]["n_predict"]) == (3, 3)


@pytest.mark.parametrize(("fields", "calls"), [({}, True), ({"parse_tool_calls": False}, False)])
def test_calls_that_are_to_stay_text(fields: dict[str, Any], calls: bool) -> None:
    written = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    template = "{{ messages[0].content }}<tool_call>" + '{"name": ..., "arguments": ...}</tool_call>'
    with live(FakeLoop(reply=lambda _: [*written.encode(), EOS]), chat_template=template) as running:
        message = running.post(PATH, messages=HELLO, tools=tools, **fields).json()["choices"][0]["message"]
    assert (("tool_calls" in message), message["content"]) == (calls, None if calls else written)
