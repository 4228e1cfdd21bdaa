"""The parts of a reply as Anthropic's content blocks: as events while it grows, and whole."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from segue.api.anthropic.ids import tool_use_id
from segue.api.replies.serialization import JsonObject, encode
from segue.chat.reply.parts import CallArguments, CallOpened, Part, Text, Thought

SIGNATURE = "segue"
"""Not looked at when it comes back; but clients take thinking without one for text."""


class ContentWriter:
    """Words the parts of one reply as events, in order. `n_calls`: tools called so far."""

    def __init__(self) -> None:
        self.n_calls = 0
        self._index = -1
        self._kind = ""
        self._arguments: list[str] = []

    def add(self, part: Part) -> Iterator[JsonObject]:
        """The events for one more part."""
        match part:
            case Text(text):
                yield from self._text("text", text)
            case Thought(text):
                yield from self._text("thinking", text)
            case CallOpened(_, name):
                self.n_calls += 1
                yield from self._open("tool_use", {"id": tool_use_id(), "name": name, "input": {}})
            case CallArguments(_, text):
                self._arguments.append(text)

    def finish(self) -> Iterator[JsonObject]:
        """The events that end the block that is open, if one is."""
        stray = ""
        if self._kind == "thinking":
            yield self._delta({"type": "signature_delta", "signature": SIGNATURE})
        elif self._kind == "tool_use":
            arguments = "".join(self._arguments)
            self._arguments.clear()
            if _object(arguments) is None:
                stray = arguments
            else:
                yield self._delta({"type": "input_json_delta", "partial_json": arguments})
        if self._kind:
            self._kind = ""
            yield {"type": "content_block_stop", "index": self._index}
        # Arguments that are no object have no place in a call; what the model wrote is not lost for that.
        if stray.strip():
            yield from self._text("text", stray)
            yield from self.finish()

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
    """The blocks that a client makes of a reply's events."""
    writer = ContentWriter()
    blocks: list[dict[str, Any]] = []
    for event in [*(event for part in parts for event in writer.add(part)), *writer.finish()]:
        block, delta = event.get("content_block"), event.get("delta")
        if isinstance(block, dict):
            blocks.append(dict(block))
        elif isinstance(delta, dict):
            _apply(blocks[-1], delta)
    return blocks


def _apply(block: dict[str, Any], delta: dict[str, Any]) -> None:
    if delta["type"] == "input_json_delta":
        block["input"] = _object(delta["partial_json"])
    else:
        name = delta["type"].removesuffix("_delta")
        block[name] += delta[name]


def _object(text: str) -> dict[str, Any] | None:
    """The object that JSON text says; None if it says none, or one that cannot be said again."""
    try:
        value = json.loads(text)
        encode(value).encode()
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
