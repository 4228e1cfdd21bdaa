"""Takes a reply apart as it comes."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue.chat.reply.body import markers_of
from segue.chat.reply.calls import CallsReader
from segue.chat.reply.channels import ChannelsReader
from segue.chat.reply.family import Family
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools
from segue.chat.said import Part


class ReplyParser:
    """Takes a reply's text as it comes apart into parts. Never raises on what a model wrote.

    Text and reasoning come as soon as they are certain, a call when it is whole. The parts do not depend on how the
    text falls into pieces, but for where the text of neighbouring parts is divided. Belongs to one thread at a time.

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
        self._calls = CallsReader(self._reader, self._sink, family, Tools(tools)) if parses_calls else None
        self._reading = self._read(is_reasoning=is_reasoning)
        self._is_over = False

    def feed(self, text: str) -> list[Part]:
        """Take more text; the parts that it made certain. Nothing must be fed after `finish`."""
        self._reader.feed(text)
        return self._go_on()

    def finish(self) -> list[Part]:
        """The rest, at the end of the reply."""
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
            yield from ChannelsReader(self._reader, self._sink, parses_calls=self._calls is not None).read()
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
        """Read up to and with a tag."""
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
        """Read up to and with a tag, in the reasoning; what wraps the answer ends it too."""
        closes = (*(close for _, close in self._family.reasoning), *self._family.wrappers)
        calls = self._calls if self._family.calls_in_reasoning else None
        marker = yield from self._reader.until(markers_of(*closes, *(calls.openers if calls else ())), self._sink.say)
        self._reader.skip(len(marker))
        if marker in closes:
            self._sink.cut(is_thought=False)
        elif calls and marker:
            yield from calls.read(marker)

    def _accept_reasoning(self) -> Reading[bool]:
        """Read the tag that opens reasoning, if it stands here behind white space only."""
        self._sink.say((yield from self._reader.spaces()))
        opens = markers_of(*(open_tag for open_tag, _ in self._family.reasoning))
        if not (yield from self._reader.accept(opens)):
            return False
        self._sink.cut(is_thought=True)
        return True
