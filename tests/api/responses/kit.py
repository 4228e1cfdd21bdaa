"""Requests and replies for the tests of the Responses API."""

import json
from typing import Any

from tests.kit.byte_vocabulary import EOS, ByteVocabulary
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live

PATH = "/v1/responses"
FUNCTION = {"type": "function", "name": "look", "description": "Looks", "parameters": {"type": "object"}}
CALL = '<tool_call>\n{"name": "look", "arguments": {"at": "x"}}\n</tool_call>'
REPLY = f"<think>\nHm, well.\n</think>\n\nI look.\n{CALL}"


def says(*texts: str) -> FakeLoop:
    """A loop whose jobs answer with these texts in turn; the last one stays."""
    left = list(texts)
    return FakeLoop(reply=lambda _: [*(left.pop(0) if len(left) > 1 else left[0]).encode(), EOS])


def prompt_of(running: Live, index: int = -1) -> str:
    pieces = map(ByteVocabulary().piece, running.loop.jobs[index].tokens.tolist())
    return b"".join(pieces).decode().removeprefix("<s>")


def create(running: Live, **body: Any) -> dict[str, Any]:
    response = running.post(PATH, **body)
    assert response.status_code == 200, response.text
    value: dict[str, Any] = response.json()
    return value


def stream(running: Live, **body: Any) -> list[dict[str, Any]]:
    """The events of a streamed response. Asserts that each is named as its type and numbered."""
    *lines, end = running.lines(PATH, **body)
    assert end == ""
    blocks = "\n".join(lines).split("\n\n")
    events: list[dict[str, Any]] = []
    for block in blocks:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        assert event["sequence_number"] == len(events)
        events.append(event)
    return events


def without_ids(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in item.items() if key not in ("id", "call_id")} for item in items]
