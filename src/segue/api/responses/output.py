"""Turns the parts of a reply into output items."""

from collections.abc import Iterable, Iterator

from segue.api.replies.serialization import JsonObject
from segue.api.responses.items import CallItem, GrowingItem, TextItem, message_item, reasoning_item
from segue.api.responses.tools import Toolbox
from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought


class Output:
    """The output of one response while it grows. An item is complete once the next begins."""

    def __init__(self, toolbox: Toolbox, *, is_summary: bool, is_sealed: bool) -> None:
        self._toolbox = toolbox
        self._is_summary = is_summary
        self._is_sealed = is_sealed
        self._complete: list[JsonObject] = []
        self._open: GrowingItem | None = None
        self._kind: type[Part] | None = None

    @property
    def items(self) -> list[JsonObject]:
        """The complete items."""
        return list(self._complete)

    def add(self, parts: Iterable[Part]) -> Iterator[JsonObject]:
        """Add parts; the events that tell of them."""
        for part in parts:
            match part:
                case CallArguments(_, text):
                    assert self._open is not None, "arguments without a call"
                    yield from self._open.add(text)
                case CallClosed():
                    yield from self._close("completed")
                case CallOpened():
                    yield from self._start(part)
                case Text(text) | Thought(text):
                    if type(part) is not self._kind:
                        yield from self._start(part)
                    assert self._open is not None
                    yield from self._open.add(text)

    def finish(self, status: str = "completed") -> Iterator[JsonObject]:
        """Complete the open item, if there is one; a call that is still open was not completed."""
        yield from self._close("incomplete" if self._kind is CallOpened else status)

    def _close(self, status: str) -> Iterator[JsonObject]:
        if self._open is not None:
            yield from self._open.closed(status)
            self._complete.append(self._open.value)
        self._open = self._kind = None

    def _start(self, part: Text | Thought | CallOpened) -> Iterator[JsonObject]:
        """Begin an item."""
        yield from self.finish()
        self._kind = type(part)
        self._open = self._begin(part)
        yield from self._open.opened()

    def _begin(self, part: Text | Thought | CallOpened) -> TextItem | CallItem:
        output_index = len(self._complete)
        match part:
            case Text():
                return message_item(output_index)
            case Thought():
                return reasoning_item(output_index, is_summary=self._is_summary, is_sealed=self._is_sealed)
            case CallOpened(_, name):
                return CallItem(output_index, self._toolbox.called(name))
