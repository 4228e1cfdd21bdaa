"""Parses a reply into parts while it streams."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue.chat.reply.body import markers_of
from segue.chat.reply.calls import CallsReader
from segue.chat.reply.channels import ChannelsReader
from segue.chat.reply.family import Family
from segue.chat.reply.parts import Part
from segue.chat.reply.quotes import QUOTES, LineQuotes
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools


class ReplyParser:
    """Parses a reply's text into parts while it streams. No text of a model makes it raise.

    Text and reasoning are returned as soon as they are certain, a call once it is complete. How the text is split into
    pieces affects only where text is divided between adjacent parts. Belongs to one thread at a time.

    `tools` are OpenAI's definitions. `is_reasoning`: the prompt ended inside the reasoning. Without `parses_calls`,
    calls stay text.
    """

    def __init__(
        self,
        family: Family,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        is_reasoning: bool = False,
        parses_calls: bool = True,
    ) -> None:
        self._family = family
        self._reader = Reader()
        self._sink = Sink()
        self._quotes = LineQuotes()
        self._tools = Tools(tools)
        self._calls = CallsReader(self._reader, self._sink, family, self._tools) if parses_calls else None
        self._reading = self._read(is_reasoning=is_reasoning)
        self._is_over = False

    def feed(self, text: str) -> list[Part]:
        """Add text; returns the parts that it made certain. Do not call after `finish`."""
        self._reader.feed(text)
        return self._go_on()

    def finish(self) -> list[Part]:
        """End the reply; returns the remaining parts."""
        self._reader.end()
        parts = self._go_on()
        self._sink.finish()
        return parts + self._sink.taken()

    def _go_on(self) -> list[Part]:
        if not self._is_over:
            self._is_over = next(self._reading, self) is self
        return self._sink.taken()

    def _read(self, *, is_reasoning: bool) -> Reading[None]:
        if self._family.has_channels:
            parses_calls = self._calls is not None
            yield from ChannelsReader(self._reader, self._sink, self._tools, parses_calls=parses_calls).read()
            return
        if is_reasoning:
            self._sink.cut(is_thought=True)
            yield from self._accept_reasoning()
        while not (self._reader.is_over and not (yield from self._reader.peek())):
            if self._sink.is_thought:
                yield from self._read_thought()
            else:
                yield from self._read_text()

    def _read_text(self) -> Reading[None]:
        """Read up to and including a tag."""
        reader, sink, calls = self._reader, self._sink, self._calls
        if sink.is_fresh:
            if (yield from self._accept_reasoning()):
                return
            following = yield from reader.peek()
            if calls and calls.may_be_bare(following):
                yield from calls.read()
                return
        openers = calls.openers if calls else ()
        marker = yield from reader.until(markers_of(*openers, *self._family.wrappers), sink.say)
        reader.skip(len(marker))
        if marker in self._family.wrappers:
            sink.cut()
        elif calls and marker:
            yield from calls.read(marker)

    def _read_thought(self) -> Reading[None]:
        """Read reasoning up to and including a tag; a wrapper of the answer ends it too. Reasoning may quote a tag."""
        reader, sink = self._reader, self._sink
        closes = (*(close for _, close in self._family.reasoning), *self._family.wrappers)
        quoted = {close + quote: (close, quote) for close in closes for quote in QUOTES}
        calls = self._calls if self._family.calls_in_reasoning else None
        found = yield from reader.until(markers_of(*closes, *quoted, *(calls.openers if calls else ())), self._think)
        marker, quote = quoted.get(found, (found, ""))
        reader.skip(len(marker))
        if marker in closes and quote and self._quotes.encloses(quote):
            self._think(marker)
        elif marker in closes:
            sink.cut(is_thought=False)
        elif calls and marker:
            yield from calls.read(marker)

    def _think(self, text: str) -> None:
        self._quotes.feed(text)
        self._sink.say(text)

    def _accept_reasoning(self) -> Reading[bool]:
        """Read the tag that opens reasoning, if only white space precedes it here."""
        self._sink.say((yield from self._reader.spaces()))
        opens = markers_of(*(open_tag for open_tag, _ in self._family.reasoning))
        if not (yield from self._reader.accept(opens)):
            return False
        self._sink.cut(is_thought=True)
        return True
