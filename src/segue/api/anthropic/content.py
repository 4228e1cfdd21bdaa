"""The parts of a reply as Anthropic's content blocks: as events while it grows, and whole."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from segue.api.anthropic.ids import tool_use_id
from segue.api.replies.serialization import JsonObject
from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought

SIGNATURE = "segue"
"""Not looked at when it comes back; but clients take thinking without one for text."""


class ContentWriter:
    """Formats the parts of one reply as events, in order. `n_calls`: complete tool calls so far."""

    def __init__(self) -> None:
        self.n_calls = 0
        self._index = -1
        self._kind = ""

    def add(self, part: Part) -> Iterator[JsonObject]:
        """The events for one more part."""
        match part:
            case Text(text):
                yield from self._text("text", text)
            case Thought(text):
                yield from self._text("thinking", text)
            case CallOpened(_, name):
                yield from self._open("tool_use", {"id": tool_use_id(), "name": name, "input": {}})
            case CallArguments(_, text):
                yield self._delta({"type": "input_json_delta", "partial_json": text})
            case CallClosed():
                self.n_calls += 1

    def finish(self) -> Iterator[JsonObject]:
        """The events that end the block that is open, if one is."""
        if self._kind == "thinking":
            yield self._delta({"type": "signature_delta", "signature": SIGNATURE})
        if self._kind:
            self._kind = ""
            yield {"type": "content_block_stop", "index": self._index}

    def _text(self, kind: str, text: str) -> Iterator[JsonObject]:
        if not text:
            return
        if self._kind != kind:
            block: JsonObject = {kind: "", "signature": ""} if kind == "thinking" else {kind: ""}
            yield from self._open(kind, block)
        yield self._delta({"type": f"{kind}_delta", kind: text})

    def _open(self, kind: str, block: JsonObject) -> Iterator[JsonObject]:
        yield from self.finish()
        self._index += 1
        self._kind = kind
        yield {"type": "content_block_start", "index": self._index, "content_block": {"type": kind, **block}}

    def _delta(self, delta: JsonObject) -> JsonObject:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def content_of(parts: Iterable[Part]) -> list[dict[str, Any]]:
    """The blocks that a client makes of the events of a whole reply."""
    writer = ContentWriter()
    blocks: list[dict[str, Any]] = []
    arguments = ""
    for event in [*(event for part in parts for event in writer.add(part)), *writer.finish()]:
        block, delta = event.get("content_block"), event.get("delta")
        if isinstance(block, dict):
            blocks.append(dict(block))
        elif not isinstance(delta, dict):
            if arguments:
                _end_call(blocks, arguments)
            arguments = ""
        elif delta["type"] == "input_json_delta":
            arguments += delta["partial_json"]
        else:
            name = delta["type"].removesuffix("_delta")
            blocks[-1][name] += delta[name]
    return blocks


def _end_call(blocks: list[dict[str, Any]], arguments: str) -> None:
    """Give the last block its input; arguments that cannot be said again have no place in it, and become text."""
    try:
        value = json.loads(arguments)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        blocks[-1]["input"] = value
    except (ValueError, RecursionError):
        blocks.append({"type": "text", "text": arguments})
