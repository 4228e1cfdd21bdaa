"""From the parts of a reply to the items of the output."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from segue.api.responses.output import Output
from segue.api.responses.reasoning import unseal
from segue.api.responses.tools import ClientTool, Toolbox
from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought

BOX = Toolbox(
    (), {"patch": ClientTool("patch", is_custom=True), "n__f": ClientTool("f", "n"), "n__c": ClientTool("c", "n", True)}
)


def told(parts: Sequence[Part], *, status: str = "completed", **options: bool) -> tuple[list[Any], list[Any]]:
    """Items and events."""
    output = Output(BOX, **{"is_summary": False, "is_sealed": False, **options})
    events = [*output.add(parts), *output.finish(status)]
    return output.items, [json.loads(json.dumps(event)) for event in events]


def kinds(events: list[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_message() -> None:
    items, events = told([Text("a"), Text("b")])
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": "ab"}
    message = {"type": "message", "status": "completed", "role": "assistant", "content": [part]}
    assert items == [{"id": items[0]["id"], **message}]
    assert items[0]["id"].startswith("msg_")
    assert kinds(events) == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert events[0]["item"] == {**items[0], "status": "in_progress", "content": []}
    assert events[1]["part"] == {**part, "text": ""}
    assert [event["delta"] for event in events[2:4]] == ["a", "b"]
    assert events[4]["text"] == "ab"
    assert events[5]["part"] == part
    assert events[6]["item"] == items[0]
    assert all(event["item_id"] == items[0]["id"] and event["content_index"] == 0 for event in events[1:6])


def test_reasoning() -> None:
    items, events = told([Thought("a"), Thought("b")])
    assert items[0]["content"] == [{"type": "reasoning_text", "text": "ab"}]
    assert (items[0]["summary"], "encrypted_content" in items[0]) == ([], False)
    assert kinds(events)[1:-1] == [
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
    ]


def test_reasoning_as_a_summary() -> None:
    items, events = told([Thought("a")], is_summary=True, is_sealed=True)
    assert items[0]["summary"] == [{"type": "summary_text", "text": "a"}]
    assert items[0]["content"] == []
    assert unseal(items[0]["encrypted_content"]) == "a"
    assert kinds(events)[1:-1] == [
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
    ]
    assert all(event["summary_index"] == 0 for event in events[1:-1])
    assert events[-1]["item"] == items[0]


@pytest.mark.parametrize(("name", "namespace"), [("g", None), ("n__f", "n")])
def test_a_function_call(name: str, namespace: str | None) -> None:
    items, events = told([CallOpened(0, name), CallArguments(0, '{"a"'), CallArguments(0, ": 1}"), CallClosed(0)])
    assert items[0]["id"].startswith("fc_")
    assert (items[0]["name"], items[0].get("namespace")) == (name.removeprefix("n__"), namespace)
    assert items[0]["arguments"] == '{"a": 1}'
    assert len(items[0]["call_id"]) == 9
    assert kinds(events) == [
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
    ]
    assert events[0]["item"] == {**items[0], "status": "in_progress", "arguments": ""}
    assert events[3]["arguments"] == '{"a": 1}'
    assert events[3]["name"] == items[0]["name"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [('{"input": "*** x\\n"}', "*** x\n"), ("no JSON", "no JSON"), ('{"input": 3}', '{"input": 3}'), ("[]", "[]")],
)
def test_a_call_of_a_custom_tool(arguments: str, text: str) -> None:
    items, events = told(
        [CallOpened(0, "patch"), CallArguments(0, arguments[:3]), CallArguments(0, arguments[3:]), CallClosed(0)]
    )
    assert items[0]["id"].startswith("ctc_")
    assert (items[0]["type"], items[0]["name"], items[0]["input"]) == ("custom_tool_call", "patch", text)
    assert kinds(events) == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]
    assert events[1]["delta"] == events[2]["input"] == text


def test_a_custom_tool_of_a_namespace() -> None:
    items, _ = told([CallOpened(0, "n__c"), CallArguments(0, '{"input": ""}'), CallClosed(0)])
    assert (items[0]["name"], items[0]["namespace"], items[0]["input"]) == ("c", "n", "")


@pytest.mark.parametrize("name", ["f", "patch"])
@pytest.mark.parametrize("rest", [[], [Text("b")], [CallOpened(1, "g"), CallArguments(1, "{}"), CallClosed(1)]])
def test_a_call_that_is_never_completed(name: str, rest: list[Part]) -> None:
    items, events = told([CallOpened(0, name), CallArguments(0, '{"input": "a'), *rest])
    given = {"input": ""} if name == "patch" else {"arguments": '{"input": "a'}
    assert items[0] == {**items[0], "status": "incomplete", **given}
    assert all(item["status"] == "completed" for item in items[1:])
    own = [event for event in events if event.get("output_index") == 0]
    assert not any(kind.endswith(("arguments.done", "input.done")) for kind in kinds(own))
    assert kinds(own)[-1] == "output_item.done"


def test_items_follow_each_other() -> None:
    parts: list[Part] = [
        Thought("t"),
        Text("a"),
        CallOpened(0, "f"),
        CallArguments(0, "{}"),
        CallClosed(0),
        CallOpened(1, "g"),
        Text("b"),
    ]
    items, events = told(parts)
    assert [item["type"] for item in items] == ["reasoning", "message", "function_call", "function_call", "message"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == [event["output_index"] for event in done] == [0, 1, 2, 3, 4]
    assert [event["item"] for event in done] == items
    assert [event["output_index"] for event in events] == sorted(event["output_index"] for event in events)


def test_what_was_cut_off_is_incomplete() -> None:
    items, _ = told([Thought("t"), Text("a")], status="incomplete")
    assert [item["status"] for item in items] == ["completed", "incomplete"]


def test_nothing_said_is_no_item() -> None:
    assert told([]) == ([], [])
