"""POST /v1/responses, streamed and whole, alone and in chains."""

import asyncio
import itertools
import json
import threading
from typing import Any

import pytest

from segue.api.responses.reasoning import unseal
from segue.loop.end import EndReason, ErrorType, JobError
from tests.api.responses.kit import FUNCTION, PATH, REPLY, create, prompt_of, says, stream, without_ids
from tests.kit.byte_vocabulary import ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

USER = {"role": "user", "content": "u"}
SHOWS = "{{ messages | tojson }}{{ tools | tojson if tools else '' }}"


def header(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_a_whole_response() -> None:
    with live(says(REPLY), alias=["tiny"]) as running:
        body = create(running, input="Hello", instructions="Be brief.", tools=[FUNCTION])
        prompt = prompt_of(running)
    assert prompt == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
    )
    assert body["id"].startswith("resp_")
    assert (body["object"], body["status"], body["model"], body["error"]) == ("response", "completed", "tiny", None)
    reasoning, message, call = body["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hm, well."}]
    assert message["content"][0]["text"] == body["output_text"] == "I look."
    assert (call["name"], json.loads(call["arguments"])) == ("look", {"at": "x"})
    n_prompt = len(running.loop.jobs[0].tokens)
    assert body["usage"] == {
        "input_tokens": n_prompt,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": len(REPLY) + 1,
        "output_tokens_details": {"reasoning_tokens": len("Hm, well.")},
        "total_tokens": n_prompt + len(REPLY) + 1,
    }
    assert body["timings"]["prompt_n"] == body["cache"]["n_prompt"] == n_prompt


class Watched(ByteVocabulary):
    """Remembers which texts were tokenised on an event loop, and which elsewhere."""

    def __init__(self) -> None:
        self.on_loop: list[str] = []
        self.elsewhere: list[str] = []

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.elsewhere.append(text)
        else:
            self.on_loop.append(text)
        return super().tokenize(text, add_special=add_special, parse_special=parse_special)


def test_reasoning_is_counted_beside_the_event_loop() -> None:
    vocabulary = Watched()
    with live(says(REPLY), vocabulary=vocabulary) as running:
        whole = create(running, input="u")
        last = stream(running, input="u")[-1]["response"]
    assert vocabulary.elsewhere.count("Hm, well.") == 2
    assert vocabulary.on_loop == []
    details = {"reasoning_tokens": len("Hm, well.")}
    assert whole["usage"]["output_tokens_details"] == last["usage"]["output_tokens_details"] == details


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"tools": [FUNCTION]},
        {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]},
        {"tools": [{"type": "custom", "name": "look"}]},
        {"tools": [FUNCTION], "max_output_tokens": 30},
        {"stop": ["look"]},
        {"max_output_tokens": 0},
    ],
)
def test_a_stream_says_the_same(fields: dict[str, Any]) -> None:
    with live(says(REPLY)) as running:
        whole = create(running, input="u", **fields)
        events = stream(running, input="u", **fields)
    first, second, *middle, last = events
    assert (first["type"], second["type"]) == ("response.created", "response.in_progress")
    assert (first["response"]["status"], first["response"]["output"]) == ("in_progress", [])
    assert last["type"] == f"response.{whole['status']}"
    final = last["response"]
    assert without_ids(final["output"]) == without_ids(whole["output"])
    differing = ("id", "created_at", "completed_at", "output", "cache", "timings", "usage")
    assert {k: v for k, v in final.items() if k not in differing} == {
        k: v for k, v in whole.items() if k not in differing
    }
    assert final["usage"]["output_tokens_details"] == whole["usage"]["output_tokens_details"]
    assert {event["response"]["id"] for event in (first, second, last)} == {final["id"]}
    assert [event["item"] for event in middle if event["type"] == "response.output_item.done"] == final["output"]
    for index, item in enumerate(final["output"]):
        deltas = [e["delta"] for e in middle if e["output_index"] == index and e["type"].endswith(".delta")]
        parts = item.get("content") or item.get("summary")
        text = parts[0]["text"] if parts else item.get("arguments", item.get("input"))
        assert "".join(deltas) == text


def test_a_limit_leaves_the_response_incomplete() -> None:
    with live(says("Hello there")) as running:
        body = create(running, input="u", max_output_tokens=5)
        assert (body["status"], body["output_text"]) == ("incomplete", "Hello")
        assert body["incomplete_details"] == {"reason": "max_output_tokens"}
        assert body["output"][0]["status"] == "incomplete"
        assert stream(running, input="u", max_output_tokens=5)[-1]["type"] == "response.incomplete"


def test_structured_output_reaches_the_job() -> None:
    with live() as running:
        format_ = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
        create(running, input="u", text={"format": format_})
        assert running.loop.jobs[-1].make_mask is not None
        create(running, input="u")
        assert running.loop.jobs[-1].make_mask is None


@pytest.mark.parametrize("fields", [{}, {"reasoning": {"summary": "auto"}}, {"instructions": "i"}])
def test_a_chain_reads_what_the_stateless_form_reads(fields: dict[str, Any]) -> None:
    with live(says(REPLY, "<think>So.</think>It is x.", "Fine."), chat_template=SHOWS) as running:
        always = {"tools": [FUNCTION], **fields}
        one = create(running, input="u", **always)
        call = one["output"][-1]
        seen = {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
        two = create(running, input=[seen], previous_response_id=one["id"], **always)
        three = create(running, input="go on", previous_response_id=two["id"], **always)
        assert three["previous_response_id"] == two["id"]
        chained = running.loop.jobs[-1].tokens.tolist()
        items = [USER, *one["output"], seen, *two["output"], {"role": "user", "content": "go on"}]
        create(running, input=items, store=False, **always)
        assert running.loop.jobs[-1].tokens.tolist() == chained
        references = [{"type": "item_reference", "id": item["id"]} for item in one["output"]]
        create(running, input=[USER, *references, seen, *two["output"], items[-1]], **always)
        assert running.loop.jobs[-1].tokens.tolist() == chained
        turn = json.JSONDecoder().raw_decode(prompt_of(running))[0][-4]
    assert (turn["role"], turn["reasoning_content"], turn["content"]) == ("assistant", "Hm, well.", "I look.")
    assert turn["tool_calls"][0]["id"] == call["call_id"]


def test_late_instructions_reach_templates_that_want_them_first() -> None:
    strict = (
        "{%- for m in messages %}"
        "{%- if m.role == 'system' and not loop.first %}{{ raise_exception('first') }}{% endif %}"
        "{{- m.role }}:{{ m.content }};{% endfor %}"
    )
    with live(chat_template=strict) as running:
        items = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, USER]
        create(running, input=[*items, {"role": "developer", "content": "c"}, USER], instructions="i")
        assert prompt_of(running) == "system:i\n\na\n\nb;user:u;user:c;user:u;"


def test_instructions_are_not_inherited() -> None:
    with live() as running:
        first = create(running, input="u", instructions="Be brief.")
        create(running, input="v", previous_response_id=first["id"])
        assert "Be brief." not in prompt_of(running)
        create(running, input="v", previous_response_id=first["id"], instructions="Be long.")
        assert prompt_of(running).startswith("<|im_start|>system\nBe long.<|im_end|>\n<|im_start|>user\nu")


def test_a_streamed_response_can_be_continued() -> None:
    with live() as running:
        last = stream(running, input="u")[-1]["response"]
        create(running, input="v", previous_response_id=last["id"])
        assert last["output_text"] in prompt_of(running)


def test_encrypted_reasoning_comes_back_without_its_text() -> None:
    with live(says(REPLY), chat_template=SHOWS) as running:
        include = {"include": ["reasoning.encrypted_content"], "store": False, "tools": [FUNCTION]}
        reasoning, *rest = create(running, input="u", **include)["output"]
        assert unseal(reasoning["encrypted_content"]) == "Hm, well."
        seen = {"type": "function_call_output", "call_id": rest[-1]["call_id"], "output": "x"}
        bare = {key: reasoning[key] for key in ("type", "id", "encrypted_content")} | {"summary": []}
        create(running, input=[USER, bare, *rest, seen], **include)
        assert '"reasoning_content": "Hm, well."' in prompt_of(running)
        plain = create(running, input="u")["output"][0]
        assert "encrypted_content" not in plain


def test_a_tool_of_a_namespace_comes_back_under_its_own_name() -> None:
    namespace = {"type": "namespace", "name": "mcp__eye", "description": "d", "tools": [FUNCTION]}
    with live(says(REPLY.replace('"look"', '"mcp__eye__look"')), chat_template=SHOWS) as running:
        body = create(running, input="u", tools=[namespace])
        assert '"name": "mcp__eye__look"' in prompt_of(running)
        call = body["output"][-1]
        assert (call["name"], call["namespace"]) == ("look", "mcp__eye")
        seen = {"type": "function_call_output", "call_id": call["call_id"], "output": "x"}
        create(running, input=[seen], previous_response_id=body["id"])
        assert '"name": "mcp__eye__look"' in prompt_of(running)


def test_what_is_kept_can_be_read_and_forgotten() -> None:
    with live() as running:
        body = create(running, input="u")
        for prefix in ("/v1/responses", "/responses"):
            assert running.http.get(f"{prefix}/{body['id']}").json() == body
        deleted = running.http.delete(f"{PATH}/{body['id']}").json()
        assert deleted == {"id": body["id"], "object": "response", "deleted": True}
        for response in (running.http.get(f"{PATH}/{body['id']}"), running.http.delete(f"{PATH}/{body['id']}")):
            assert response.status_code == 404
            assert response.json()["error"]["message"] == f"Response with id '{body['id']}' not found."
        assert running.post(PATH, input="v", previous_response_id=body["id"]).status_code == 400


@pytest.mark.parametrize(("settings", "fields"), [({}, {"store": False}), ({"response_store": 0}, {})])
def test_nothing_is_kept_unasked(settings: dict[str, Any], fields: dict[str, Any]) -> None:
    with live(**settings) as running:
        for body in (create(running, input="u", **fields), stream(running, input="u", **fields)[-1]["response"]):
            assert body["store"] is False
            assert running.http.get(f"{PATH}/{body['id']}").status_code == 404
            reference = {"type": "item_reference", "id": body["output"][0]["id"]}
            assert running.post(PATH, input=[reference]).status_code == 404


@pytest.mark.parametrize("is_shared", [False, True])
def test_state_never_crosses_keys(is_shared: bool) -> None:
    with live(api_key=["a", "b"], cache_share_keys=is_shared) as running:

        def ask(key: str, **body: Any) -> Any:
            return running.http.post(PATH, json={"input": "u", **body}, headers=header(key))

        body = ask("a").json()
        assert ask("b", previous_response_id=body["id"]).status_code == 400
        assert ask("b", input=[{"type": "item_reference", "id": body["output"][0]["id"]}]).status_code == 404
        for method in ("GET", "DELETE"):
            assert running.http.request(method, f"{PATH}/{body['id']}", headers=header("b")).status_code == 404
        assert running.http.get(f"{PATH}/{body['id']}").status_code == 401
        assert ask("a", previous_response_id=body["id"]).status_code == 200


@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_early_failure_has_a_status_of_its_own(is_streamed: bool) -> None:
    with live(FakeLoop(error=JobError(ErrorType.SERVER, "no"))) as running:
        response = running.post(PATH, input="u", stream=is_streamed)
    assert response.status_code == 500
    assert response.json()["error"] == {"code": 500, "message": "no", "type": "server_error"}


def test_a_late_failure_is_the_last_event() -> None:
    steps = threading.Semaphore(2)
    with live(FakeLoop(error=JobError(ErrorType.SERVER, "lost"), error_after=2, steps=steps)) as running:
        *_, last = stream(running, input="u", on_first=steps.release)
        response = last["response"]
        assert (last["type"], response["status"]) == ("response.failed", "failed")
        assert response["error"] == {"code": "server_error", "message": "lost"}
        assert response["output"][0]["status"] == "incomplete"
        assert running.http.get(f"{PATH}/{response['id']}").status_code == 404


def test_silence_is_broken_by_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segue.api.replies.respond.FIRST_EVENT_S", 0.05)
    with live(says("Hi"), sse_ping_interval=1) as running:
        running.loop.gate.clear()
        body = {"input": "u", "stream": True}
        with running.http.stream("POST", PATH, json=body) as response:
            lines = response.iter_lines()
            names = [line for line in (next(lines) for _ in range(9)) if line.startswith("event: ")]
            assert names == ["event: response.created", *2 * ["event: response.in_progress"]]
            running.loop.gate.set()
            rest = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert [json.loads(data)["sequence_number"] for data in rest] == list(range(3, 3 + len(rest)))
    assert json.loads(rest[-1])["response"]["output_text"] == "Hi"


def test_a_client_that_vanishes_cancels_and_leaves_nothing() -> None:
    with live(FakeLoop(reply=lambda _: itertools.repeat(ord("a")), delay_s=0.001)) as running:
        with running.http.stream("POST", PATH, json={"input": "u", "stream": True}) as response:
            data = next(line for line in response.iter_lines() if line.startswith("data: "))
        running.loop.wait_for_ends(1)
        assert running.loop.ends[0].reason is EndReason.CANCELLED
        response_id = json.loads(data.removeprefix("data: "))["response"]["id"]
        assert running.http.get(f"{PATH}/{response_id}").status_code == 404


def test_progress_and_timings_on_demand() -> None:
    with live(says("Hi")) as running:
        events = stream(running, input="u", return_progress=True, timings_per_token=True)
    progress = [event["prompt_progress"] for event in events if "prompt_progress" in event and "timings" in event]
    assert progress[-1]["processed"] == progress[-1]["total"]
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [event["timings"]["predicted_n"] for event in deltas] == [1, 2]


def test_a_repeat_is_told_as_cached() -> None:
    with live() as running:
        create(running, input="u")
        usage = create(running, input="u")["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] == usage["input_tokens"]


@pytest.mark.parametrize("path", ["/v1/responses", "/responses"])
def test_counting_tokens_needs_no_room_for_them(server: Live, path: str) -> None:
    former = server.post(path, input="hi").json()["id"]
    body = {"input": "and?", "previous_response_id": former, "instructions": "Be brief."}
    counted = server.post(f"{path}/input_tokens", **body).json()
    server.post(path, **body)
    assert counted == {"object": "response.input_tokens", "input_tokens": len(server.loop.jobs[-1].tokens)}
    assert server.post(f"{path}/input_tokens", input="x" * 5000).json()["input_tokens"] > 5000
