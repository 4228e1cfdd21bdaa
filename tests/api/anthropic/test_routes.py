"""POST /v1/messages and what belongs to it, on a real connection."""

import json
import threading
from typing import Any

import pytest

from segue.loop.end import EndReason, ErrorType, JobError
from tests.api.replies.test_sse import connection, endless, read_until
from tests.kit.byte_vocabulary import EOS, ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

PATH = "/v1/messages"
SYSTEM = "Be brief."
HELLO = [{"role": "user", "content": "Hello"}]
PROMPT = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
TOOL = {"name": "ls", "description": "Lists", "input_schema": {"type": "object", "properties": {}}}
CALL = '<tool_call>{"name": "ls", "arguments": {"path": "/"}}</tool_call>'
EPHEMERAL = {"type": "ephemeral"}


def says(text: str) -> FakeLoop:
    return FakeLoop(reply=lambda _: [*text.encode(), EOS])


def prompt_of(running: Live, n_tokens: int | None = None) -> str:
    vocabulary = ByteVocabulary()
    tokens = running.loop.jobs[-1].tokens[:n_tokens].tolist()
    return b"".join(map(vocabulary.piece, tokens)).decode().removeprefix("<s>")


def events(running: Live, **body: Any) -> list[dict[str, Any]]:
    """The events of a stream, each of which must be named by its type."""
    found = []
    for chunk in "\n".join(running.lines(PATH, **body)).removesuffix("\n").split("\n\n"):
        name, data = chunk.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def joined(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that a stream makes, as clients put it together."""
    assert [found[0]["type"], found[-2]["type"], found[-1]["type"]] == [
        "message_start",
        "message_delta",
        "message_stop",
    ]
    message: dict[str, Any] = found[0]["message"]
    for event in found[1:-2]:
        if event["type"] == "content_block_start":
            assert event["index"] == len(message["content"])
            message["content"].append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta":
            block = message["content"][event["index"]]
            for name, value in event["delta"].items():
                if name != "type":
                    block["json" if name == "partial_json" else name] += value
    for block in message["content"]:
        written = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(written or "{}")
    ending = found[-2]
    return {**message, **ending["delta"], **{name: ending[name] for name in ("usage", "cache")}}


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    blocks = [{name: value for name, value in block.items() if name != "id"} for block in message["content"]]
    return {**{name: message[name] for name in ("type", "role", "model", "stop_reason")}, "content": blocks}


def test_a_whole_message() -> None:
    with live(says("Hi there"), alias=["tiny"]) as running:
        body = running.post(PATH + "?beta=true", system=SYSTEM, messages=HELLO, model="x", max_tokens=99).json()
        assert prompt_of(running) == PROMPT
        n_prompt = len(running.loop.jobs[0].tokens)
    assert body["id"].startswith("msg_")
    assert (body["type"], body["role"], body["model"]) == ("message", "assistant", "tiny")
    assert body["content"] == [{"type": "text", "text": "Hi there"}]
    assert (body["stop_reason"], body["stop_sequence"]) == ("end_turn", None)
    assert body["usage"] == {
        "input_tokens": n_prompt,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 9,
    }
    assert body["cache"]["n_read"] == n_prompt
    assert "timings" not in body


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("Hi there", "end_turn"),
        ("", "end_turn"),
        ("<think>Hm\n</think>\nHi", "end_turn"),
        (f"<think>Hm</think>I look.\n{CALL}\n{CALL}", "tool_use"),
        (CALL, "tool_use"),
        ('<tool_call>{"name": "ls"', "end_turn"),
        ("häß🙂", "end_turn"),
    ],
)
def test_a_stream_says_the_same_as_a_whole_message(said: str, reason: str) -> None:
    with live(says(said)) as running:
        whole = running.post(PATH, messages=HELLO, tools=[TOOL]).json()
        streamed = joined(events(running, messages=HELLO, tools=[TOOL]))
    assert without_ids(streamed) == without_ids(whole)
    assert whole["stop_reason"] == reason
    assert streamed["usage"]["output_tokens"] == whole["usage"]["output_tokens"]


def test_thinking_text_and_calls_are_blocks() -> None:
    with live(says(f"<think>Hm</think>I look.{CALL}")) as running:
        thinking, text, call = running.post(PATH, messages=HELLO, tools=[TOOL]).json()["content"]
    assert thinking["thinking"] == "Hm"
    assert thinking["signature"]
    assert text == {"type": "text", "text": "I look."}
    assert call["id"].startswith("toolu_")
    assert (call["name"], call["input"]) == ("ls", {"path": "/"})


@pytest.mark.parametrize("is_streamed", [False, True])
def test_other_ends(is_streamed: bool) -> None:
    with live(says("one STOP two")) as running:
        for fields, text, reason, word in (
            ({"stop_sequences": ["never", "STOP"]}, "one ", "stop_sequence", "STOP"),
            ({"max_tokens": 3}, "one", "max_tokens", None),
        ):
            body = {"messages": HELLO, **fields}
            message = joined(events(running, **body)) if is_streamed else running.post(PATH, **body).json()
            assert message["content"] == [{"type": "text", "text": text}]
            assert (message["stop_reason"], message["stop_sequence"]) == (reason, word)


def test_usage_splits_the_prompt_at_the_cache_and_at_the_last_breakpoint(server: Live) -> None:
    marked = [{"type": "text", "text": "A long beginning", "cache_control": EPHEMERAL}]
    messages = [{"role": "user", "content": marked}, {"role": "assistant", "content": "Yes"}, *HELLO]
    first = server.post(PATH, messages=messages).json()["usage"]
    (mark,) = server.loop.jobs[-1].marks.breakpoints
    n_prompt = len(server.loop.jobs[-1].tokens)
    assert (first["cache_creation_input_tokens"], first["cache_read_input_tokens"]) == (mark.end, 0)
    assert first["input_tokens"] == n_prompt - mark.end
    begun, *_, ended, _ = events(server, messages=messages)
    again = ended["usage"]
    assert begun["message"]["usage"] == {**again, "output_tokens": 0}
    assert (again["cache_creation_input_tokens"], again["cache_read_input_tokens"]) == (0, n_prompt)
    assert again["input_tokens"] == 0
    assert again["output_tokens"] > 0


def test_breakpoints_land_on_message_ends(server: Live) -> None:
    system = [{"type": "text", "text": SYSTEM, "cache_control": {**EPHEMERAL, "ttl": "1h"}}]
    result = {"type": "tool_result", "tool_use_id": "toolu_123456789", "content": "bin", "cache_control": EPHEMERAL}
    messages = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_123456789", "name": "ls", "input": {}}]},
        {"role": "user", "content": [result, {"type": "text", "text": "And?", "cache_control": EPHEMERAL}]},
    ]
    assert server.post(PATH, system=system, messages=messages).status_code == 200
    first, second, third = server.loop.jobs[-1].marks.breakpoints
    assert prompt_of(server, first.end) == "<|im_start|>system\nBe brief.<|im_end|>\n"
    assert prompt_of(server, second.end).endswith("<|im_start|>tool\nbin<|im_end|>\n")
    assert prompt_of(server, third.end) == prompt_of(server).removesuffix("<|im_start|>assistant\n")
    assert [mark.ttl_s for mark in (first, second, third)] == [3600.0, 300.0, 300.0]
    assert server.loop.jobs[-1].marks.message_ends[-1] == third.end


def test_what_claude_code_sends(server: Live) -> None:
    def ask(number: int) -> str:
        body = {
            "model": "m",
            "max_tokens": 32000,
            "system": [
                {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2; cch={number};"},
                {"type": "text", "text": SYSTEM, "cache_control": EPHEMERAL},
            ],
            "messages": [*HELLO, {"role": "system", "content": "Today is long."}],
            "tools": [TOOL, {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
            "thinking": {"type": "adaptive"},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            "output_config": {"effort": "medium"},
            "metadata": {"user_id": "u"},
        }
        assert joined(events(server, **body))["stop_reason"] == "end_turn"
        return prompt_of(server)

    expected = PROMPT.replace("<|im_start|>assistant\n", "<|im_start|>system\nToday is long.<|im_end|>\n")
    assert ask(1) == ask(2) == expected + "<|im_start|>assistant\n"
    assert server.http.head("/").status_code == 200


def test_the_billing_header_may_stay() -> None:
    with live(drop_billing_header=False) as running:
        running.post(PATH, system="x-anthropic-billing-header: a", messages=HELLO)
        assert "x-anthropic-billing-header: a" in prompt_of(running)


def test_what_the_template_gets() -> None:
    template = (
        "{{ tools | tojson if tools else 'none' }}|{{ enable_thinking }}|{{ reasoning_effort }}|"
        "{%- for m in messages %}{{ m.role }}:{{ m.content }}{{ m.reasoning_content }};{% endfor %}"
    )
    said = [
        *HELLO,
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]},
        *HELLO,
    ]
    with live(chat_template=template) as running:
        for fields, expected in (
            ({"thinking": {"type": "disabled"}}, "none|False||user:Hello;"),
            ({"thinking": {"type": "enabled"}, "output_config": {"effort": "high"}}, "none|True|high|user:Hello;"),
            ({"messages": said}, "none|True||user:Hello;assistant:Hm;user:Hello;"),
            ({"tools": [TOOL]}, '[{"type": "function", "function": {"name": "ls", "description": "Lists", '),
        ):
            assert running.post(PATH, **{"messages": HELLO, **fields}).status_code == 200
            assert prompt_of(running).startswith(expected)


def test_a_last_message_of_the_assistant_is_continued(server: Live) -> None:
    good = {"role": "assistant", "content": [{"type": "text", "text": "Good"}]}
    marked = {"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": EPHEMERAL}]}
    for messages in ([*HELLO, good], [marked, good]):
        response = server.post(PATH, system=SYSTEM, messages=messages, thinking={"type": "enabled"})
        assert response.status_code == 200
        assert prompt_of(server) == PROMPT + "Good"
    (mark,) = server.loop.jobs[-1].marks.breakpoints
    assert prompt_of(server, mark.end) == PROMPT.removesuffix("<|im_start|>assistant\n")


def test_llama_servers_fields_work_here_too(server: Live) -> None:
    body = {"messages": [{"role": "user", "content": "P" * 50}], "id_slot": 2, "cache_prompt": False, "seed": 7}
    found = events(server, **body, return_progress=True, timings_per_token=True)
    job = server.loop.jobs[-1]
    assert (job.id_slot, job.use_cache, job.sampling.seed) == (2, False, 7)
    pings = [event["prompt_progress"] for event in found if event["type"] == "ping" and "timings" in event]
    assert pings[-1]["processed"] == pings[-1]["total"] == len(job.tokens)
    assert found[0]["type"] == "message_start"
    assert any("timings" in event for event in found if event["type"] == "content_block_delta")
    assert not any("timings" in event for event in events(server, **body)[:-2])


def test_counting_tokens_needs_no_room_for_them(server: Live) -> None:
    body = {"system": SYSTEM, "messages": HELLO, "tools": [TOOL]}
    counted = server.post(PATH + "/count_tokens?beta=true", **body)
    server.post(PATH, **body)
    assert counted.json() == {"input_tokens": len(server.loop.jobs[-1].tokens)}
    long = server.post(PATH + "/count_tokens", messages=[{"role": "user", "content": "x" * 5000}])
    assert long.json()["input_tokens"] > 5000


@pytest.mark.parametrize(
    ("fields", "part"),
    [
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": "x" * 5000}]}, "prompt is too long: 50"),
        ({"temperature": "-1"}, "temperature"),
        ({"stop_sequences": "x"}, "stop_sequences"),
        ({"tool_choice": {"type": "some"}}, "tool_choice"),
        ({"id_slot": "9"}, "id_slot"),
        ({"cache_control": {"type": "ephemeral", "ttl": ["5m"]}}, "ttl"),
    ],
)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_what_is_refused(server: Live, fields: dict[str, Any], part: str, is_streamed: bool) -> None:
    response = server.post(PATH, **{"messages": HELLO, "stream": is_streamed, **fields})
    assert response.status_code == 400
    body = response.json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert part in body["error"]["message"]


def test_other_failures_have_anthropics_form_too(server: Live) -> None:
    for response, status, type_ in (
        (server.http.get(PATH), 405, "invalid_request_error"),
        (server.http.post(PATH, content=b"{"), 400, "invalid_request_error"),
        (server.post(PATH + "/batches", messages=HELLO), 404, "not_found_error"),
    ):
        assert response.status_code == status
        assert (response.json()["type"], response.json()["error"]["type"]) == ("error", type_)
    with live(is_ready=False) as loading:
        response = loading.post(PATH, messages=HELLO)
        assert (response.status_code, response.json()["error"]["type"]) == (529, "overloaded_error")


def test_keys_in_either_header() -> None:
    with live(api_key=["k"]) as running:
        refused = running.post(PATH, messages=HELLO)
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")
        for headers in ({"x-api-key": "k"}, {"authorization": "Bearer k"}):
            response = running.http.post(PATH, json={"messages": HELLO}, headers=headers)
            assert response.status_code == 200
        assert running.http.head("/").status_code == 200


def test_an_error_after_the_first_token_is_the_last_event() -> None:
    steps = threading.Semaphore(2)
    with live(FakeLoop(error=JobError(ErrorType.SERVER, "lost"), error_after=2, steps=steps)) as running:
        found = events(running, messages=HELLO, on_first=steps.release)
        assert found[-1] == {"type": "error", "error": {"type": "api_error", "message": "lost"}}
        assert found[0]["type"] == "message_start"
        steps.release(3)
        assert running.post(PATH, messages=HELLO).json()["error"] == {"type": "api_error", "message": "lost"}


def test_silence_is_broken_by_ping_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.api.replies.respond.FIRST_EVENT_S", 0.05)
    with live(sse_ping_interval=1) as running:
        running.loop.gate.clear()
        with connection(running, PATH, {"messages": HELLO, "stream": True}) as client:
            read_until(client, b'event: ping\ndata: {"type":"ping"}\n\n')
            running.loop.gate.set()
            assert b"event: message_start\n" in read_until(client, b"0\r\n\r\n")


def test_a_client_that_vanishes_cancels_its_job() -> None:
    with live(endless()) as running:
        with connection(running, PATH, {"messages": HELLO, "stream": True}) as client:
            read_until(client, b"data: ", 3)
        running.loop.wait_for_ends(1)
        assert running.loop.ends[0].reason is EndReason.CANCELLED


def test_deltas_go_out_as_they_come() -> None:
    steps = threading.Semaphore(0)
    with (
        live(endless(steps)) as running,
        connection(running, PATH, {"messages": HELLO, "stream": True, "max_tokens": 5}) as client,
    ):
        for _ in range(5):
            steps.release()
            assert read_until(client, b"text_delta").count(b"text_delta") == 1


@pytest.mark.parametrize("fields", [{}, {"cache_control": {"type": "ephemeral"}}, {"system": SYSTEM}])
def test_no_messages_are_an_empty_one(server: Live, fields: dict[str, Any]) -> None:
    body = server.post(PATH, messages=[], **fields).json()
    assert body["type"] == "message", body
