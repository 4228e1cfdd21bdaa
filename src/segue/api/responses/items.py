"""One output item while it grows, and its events."""

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from typing_extensions import override

from segue.api.intake.custom_calls import INPUT
from segue.api.replies.call_ids import call_id
from segue.api.replies.serialization import JsonObject
from segue.api.responses.reasoning import seal
from segue.api.responses.tools import ClientTool

IN_PROGRESS = "in_progress"


class GrowingItem(Protocol):
    """An item that is not complete. `value` is the item as far as it is; events carry copies of it."""

    value: JsonObject

    def opened(self) -> Iterator[JsonObject]:
        """The events of a new item."""

    def add(self, text: str) -> Iterator[JsonObject]:
        """Add text."""

    def closed(self, status: str) -> Iterator[JsonObject]:
        """The events that complete the item; `value` is then complete."""


@dataclass(frozen=True, slots=True)
class TextForm:
    """How events report an item with text: the field of the text, the kind of its part, and the events' names."""

    place: str
    part: JsonObject
    part_event: str
    text_event: str
    index: str
    extra: JsonObject


_MESSAGE = TextForm(
    place="content",
    part={"type": "output_text", "annotations": [], "logprobs": []},
    part_event="response.content_part",
    text_event="response.output_text",
    index="content_index",
    extra={"logprobs": []},
)
_REASONING = TextForm(
    place="content",
    part={"type": "reasoning_text"},
    part_event="response.content_part",
    text_event="response.reasoning_text",
    index="content_index",
    extra={},
)
_SUMMARY = TextForm(
    place="summary",
    part={"type": "summary_text"},
    part_event="response.reasoning_summary_part",
    text_event="response.reasoning_summary_text",
    index="summary_index",
    extra={},
)


class TextItem(GrowingItem):
    """A message, or reasoning, with a single part."""

    def __init__(self, output_index: int, value: JsonObject, form: TextForm, *, is_sealed: bool = False) -> None:
        self.value = value
        self._form = form
        self._is_sealed = is_sealed
        self._at: JsonObject = {"output_index": output_index, "item_id": value["id"], form.index: 0}
        self._output_index = output_index
        self._texts: list[str] = []

    @override
    def opened(self) -> Iterator[JsonObject]:
        yield _item_event("added", self._output_index, self.value)
        yield {"type": f"{self._form.part_event}.added", **self._at, "part": self._part("")}

    @override
    def add(self, text: str) -> Iterator[JsonObject]:
        self._texts.append(text)
        yield {"type": f"{self._form.text_event}.delta", **self._at, "delta": text, **self._form.extra}

    @override
    def closed(self, status: str) -> Iterator[JsonObject]:
        text = "".join(self._texts)
        self.value = self.value | {"status": status, self._form.place: [self._part(text)]}
        if self._is_sealed:
            self.value["encrypted_content"] = seal(text)
        yield {"type": f"{self._form.text_event}.done", **self._at, "text": text, **self._form.extra}
        yield {"type": f"{self._form.part_event}.done", **self._at, "part": self._part(text)}
        yield _item_event("done", self._output_index, self.value)

    def _part(self, text: str) -> JsonObject:
        return {**self._form.part, "text": text}


class CallItem(GrowingItem):
    """A call. The input of a custom tool is reported as a whole: until then it stands inside of JSON.

    Of a call that was not completed, no event tells all arguments.
    """

    def __init__(self, output_index: int, tool: ClientTool) -> None:
        self._is_custom = tool.is_custom
        kind, prefix = ("custom_tool_call", "ctc") if tool.is_custom else ("function_call", "fc")
        self._field = INPUT if tool.is_custom else "arguments"
        self._event = f"response.{kind}_{self._field}"
        namespace: JsonObject = {} if tool.namespace is None else {"namespace": tool.namespace}
        self.value: JsonObject = {
            "id": new_id(prefix),
            "type": kind,
            "status": IN_PROGRESS,
            "call_id": call_id(),
            "name": tool.name,
            **namespace,
            self._field: "",
        }
        self._at: JsonObject = {"output_index": output_index, "item_id": self.value["id"]}
        self._output_index = output_index
        self._texts: list[str] = []

    @override
    def opened(self) -> Iterator[JsonObject]:
        yield _item_event("added", self._output_index, self.value)

    @override
    def add(self, text: str) -> Iterator[JsonObject]:
        self._texts.append(text)
        if not self._is_custom:
            yield self._delta(text)

    @override
    def closed(self, status: str) -> Iterator[JsonObject]:
        text, is_complete = "".join(self._texts), status != "incomplete"
        if self._is_custom:
            text = _input(text) if is_complete else ""
        self.value = self.value | {"status": status, self._field: text}
        if is_complete:
            if self._is_custom:
                yield self._delta(text)
            name: JsonObject = {} if self._is_custom else {"name": self.value["name"]}
            yield {"type": f"{self._event}.done", **self._at, **name, self._field: text}
        yield _item_event("done", self._output_index, self.value)

    def _delta(self, text: str) -> JsonObject:
        return {"type": f"{self._event}.delta", **self._at, "delta": text}


def message_item(output_index: int) -> TextItem:
    """A message that begins."""
    value: JsonObject = {"id": new_id("msg"), "type": "message", "status": IN_PROGRESS, "role": "assistant"}
    value["content"] = []
    return TextItem(output_index, value, _MESSAGE)


def reasoning_item(output_index: int, *, is_summary: bool, is_sealed: bool) -> TextItem:
    """Reasoning that begins; `is_sealed`: with `encrypted_content` in the end."""
    value: JsonObject = {"id": new_id("rs"), "type": "reasoning", "status": IN_PROGRESS, "summary": [], "content": []}
    return TextItem(output_index, value, _SUMMARY if is_summary else _REASONING, is_sealed=is_sealed)


def new_id(prefix: str) -> str:
    """A new id, as OpenAI writes them."""
    return f"{prefix}_{secrets.token_hex(24)}"


def _item_event(what: str, output_index: int, value: JsonObject) -> JsonObject:
    return {"type": f"response.output_item.{what}", "output_index": output_index, "item": value}


def _input(arguments: str) -> str:
    """The input of a custom tool from a function's arguments; all of them, if the model wrote something else."""
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    text = value.get(INPUT) if isinstance(value, dict) else None
    return text if isinstance(text, str) else arguments
