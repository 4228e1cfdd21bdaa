"""Arguments of calls in streams of all three APIs: as they are written, as in whole replies, never too much."""

import json
from typing import Any, NamedTuple

import pytest

from tests.kit.byte_vocabulary import EOS
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}}
ARGUMENTS = {"path": "a/b.py", "content": 'def f():\n    return "é" # </think>'}
JSON_CALL = '<tool_call>\n{"name": "write", "arguments": %s}\n</tool_call>' % json.dumps(ARGUMENTS)  # noqa: UP031
XML_CALL = "<tool_call>\n<function=write>\n" + (
    "".join(f"<parameter={key}>\n{value}\n</parameter>\n" for key, value in ARGUMENTS.items())
    + "</function>\n</tool_call>"
)
BROKEN = '<tool_call>\n{"name": "write", "arguments": {"path": "a", "path": "b"}}\n</tool_call>'
WRITTEN = '{"path": "a/b.py", "content": "def f'
USER = {"role": "user", "content": "write it"}


class Told(NamedTuple):
    """What a stream told: text, the pieces of the arguments of each call, and how it ended."""

    text: str
    calls: list[list[str]]
    end: str


def says(text: str) -> FakeLoop:
    return FakeLoop(reply=lambda _: [*text.encode(), EOS])


def chat(server: Live, **fields: Any) -> Told:
    tools = [{"type": "function", "function": {"name": "write", "parameters": PARAMETERS}}]
    text, calls, end = "", dict[int, list[str]](), ""
    for event in server.events(CHAT, messages=[USER], tools=tools, **fields)[:-1]:
        choice = json.loads(event)["choices"][0]
        end = choice["finish_reason"] or end
        text += choice["delta"].get("content") or ""
        for call in choice["delta"].get("tool_calls", ()):
            if "id" in call:
                assert (call["type"], call["function"]) == ("function", {"name": "write", "arguments": ""})
            calls.setdefault(call["index"], []).append(call["function"]["arguments"])
    return Told(text, list(calls.values()), end)


def messages(server: Live, **fields: Any) -> Told:
    tools = [{"name": "write", "input_schema": PARAMETERS}]
    text, calls, end = "", dict[int, list[str]](), ""
    for line in server.events(MESSAGES, messages=[USER], tools=tools, **{"max_tokens": 500, **fields}):
        event = json.loads(line)
        end = event.get("delta", {}).get("stop_reason") or end
        if event["type"] == "content_block_start" and event["content_block"]["type"] == "tool_use":
            assert (event["content_block"]["name"], event["content_block"]["input"]) == ("write", {})
            calls[event["index"]] = [""]
        elif event["type"] == "content_block_delta" and event["delta"]["type"] == "input_json_delta":
            calls[event["index"]].append(event["delta"]["partial_json"])
        elif event["type"] == "content_block_delta":
            text += event["delta"]["text"]
    return Told(text, list(calls.values()), end)


def responses(server: Live, **fields: Any) -> Told:
    tools = [{"type": "function", "name": "write", "parameters": PARAMETERS}]
    if "max_tokens" in fields:
        fields["max_output_tokens"] = fields.pop("max_tokens")
    text, calls, end = "", dict[int, list[str]](), ""
    for line in server.events(RESPONSES, input="write it", tools=tools, **fields):
        event = json.loads(line)
        match event["type"]:
            case "response.output_item.added" if event["item"]["type"] == "function_call":
                assert (event["item"]["name"], event["item"]["arguments"]) == ("write", "")
                calls[event["output_index"]] = [""]
            case "response.function_call_arguments.delta":
                calls[event["output_index"]].append(event["delta"])
            case "response.function_call_arguments.done":
                assert event["arguments"] == "".join(calls[event["output_index"]])
            case "response.output_text.delta":
                text += event["delta"]
            case "response.completed" | "response.incomplete":
                end = event["response"]["status"]
    return Told(text, list(calls.values()), end)


APIS = {"chat": chat, "messages": messages, "responses": responses}
CALLED = {"chat": "tool_calls", "messages": "tool_use", "responses": "completed"}
ENDED = {"chat": "stop", "messages": "end_turn", "responses": "completed"}
CUT_OFF = {"chat": "length", "messages": "max_tokens", "responses": "incomplete"}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("call", [JSON_CALL, XML_CALL])
def test_arguments_come_as_they_are_written(api: str, call: str) -> None:
    with live(says(f"I write.\n{call}\n{call}")) as server:
        told = APIS[api](server)
    assert (told.text, told.end) == ("I write.", CALLED[api])
    for pieces in told.calls:
        assert json.loads("".join(pieces)) == ARGUMENTS
        assert len(pieces) > 20
        assert max(map(len, pieces)) < 20
    assert len(told.calls) == 2


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("call", [JSON_CALL, XML_CALL])
def test_a_call_that_is_cut_off_is_never_closed(api: str, call: str) -> None:
    n_tokens = call.index("def f") + len("def f")
    with live(says(call)) as server:
        told = APIS[api](server, max_tokens=n_tokens)
    assert told.end == CUT_OFF[api]
    assert ("".join(told.calls[0]), told.text) == (WRITTEN, "")


@pytest.mark.parametrize("api", APIS)
def test_a_call_that_turns_out_to_be_none_is_text(api: str) -> None:
    """What was passed on of it stays without an end, so that nobody can run it."""
    with live(says(f"I write.\n{BROKEN}")) as server:
        told = APIS[api](server)
    assert told.end == ENDED[api]
    assert "".join(told.calls[0]) == '{"path": "a'
    assert told.text.replace("\n", "") == f"I write.\n{BROKEN}".replace("\n", "")


def test_log_probabilities_come_once_for_each_token() -> None:
    with live(says(JSON_CALL)) as server:
        tools = [{"type": "function", "function": {"name": "write", "parameters": PARAMETERS}}]
        events = server.events(CHAT, messages=[USER], tools=tools, logprobs=True, top_logprobs=1)
    choices = [json.loads(event)["choices"][0] for event in events[:-1]]
    told = [entry["token"] for choice in choices for entry in (choice.get("logprobs") or {"content": []})["content"]]
    assert len(told) == len(JSON_CALL.encode())
