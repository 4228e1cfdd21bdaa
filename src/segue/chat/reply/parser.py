"""Parses a reply into parts while it streams."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue.chat.reply.body import markers_of
from segue.chat.reply.calls import CallsReader
from segue.chat.reply.channels import ChannelsReader
from segue.chat.reply.family import CHANNEL_END, Family
from segue.chat.reply.parts import Part
from segue.chat.reply.quotes import QUOTES, LineQuotes
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools


class ReplyParser:
    """Parses a reply's text into parts while it streams. No text of a model makes it raise.

    Text and reasoning are returned as soon as they are certain, a call once it is complete; with `streams_calls`, its
    arguments too as soon as they are certain. How the text is split into pieces affects only where text and arguments
    are divided between adjacent parts. Belongs to one thread at a time.

    `tools` are OpenAI's definitions. `reasoning_end` ends the reasoning inside which the prompt ended, if it did.
    Without `parses_calls`, calls stay text.
    """

    def __init__(
        self,
        family: Family,
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        reasoning_end: str = "",
        parses_calls: bool = True,
        streams_calls: bool = False,
    ) -> None:
        self._family = family
        self._reader = Reader()
        self._sink = Sink(streams_calls=streams_calls)
        self._quotes = LineQuotes()
        self._tools = Tools(tools)
        self._calls = CallsReader(self._reader, self._sink, family, self._tools) if parses_calls else None
        self._reasoning_end = CHANNEL_END if family.has_channels else reasoning_end
        self._is_calling = False
        self._may_have_ended = False
        if reasoning_end and not family.has_channels:
            self._sink.cut(is_thought=True)
        self._reading = self._read()
        self._is_over = False

    @property
    def reasoning_end(self) -> str:
        """The tag that would end the reasoning at the end of the text; empty outside of reasoning."""
        return self._reasoning_end if self._sink.is_thought else ""

    @property
    def is_calling(self) -> bool:
        """Whether the text ends inside a call within the reasoning, or what looks like one."""
        return self._is_calling

    @property
    def may_have_ended(self) -> bool:
        """Whether the text ends with a tag that ends the reasoning, unless what follows shows that it is quoted."""
        return self._may_have_ended

    @property
    def unread(self) -> str:
        """The end of the text if it may be the beginning of a tag."""
        return self._reader.unread

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

    def _read(self) -> Reading[None]:
        if self._family.has_channels:
            parses_calls = self._calls is not None
            yield from ChannelsReader(self._reader, self._sink, self._tools, parses_calls=parses_calls).read()
            return
        if self._sink.is_thought:
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
        calls = self._calls if self._family.calls_in_reasoning else None
        marker = yield from reader.until(markers_of(*closes, *(calls.openers if calls else ())), self._think)
        reader.skip(len(marker))
        if marker in closes:
            if (yield from self._is_quoted()):
                self._think(marker)
            else:
                sink.cut(is_thought=False)
        elif calls and marker:
            self._is_calling = True
            yield from calls.read(marker)
            self._is_calling = False

    def _is_quoted(self) -> Reading[bool]:
        """Whether a tag that ends here is quoted."""
        if not any(map(self._quotes.encloses, QUOTES)):
            return False
        self._may_have_ended = True
        following = yield from self._reader.peek()
        self._may_have_ended = False
        return following in QUOTES and self._quotes.encloses(following)

    def _think(self, text: str) -> None:
        self._quotes.feed(text)
        self._sink.say(text)

    def _accept_reasoning(self) -> Reading[bool]:
        """Read the tag that opens reasoning, if only white space precedes it here."""
        self._sink.say((yield from self._reader.spaces()))
        ends = dict(self._family.reasoning)
        opening = yield from self._reader.accept(markers_of(*ends))
        if not opening:
            return False
        self._reasoning_end = ends[opening]
        self._sink.cut(is_thought=True)
        return True
