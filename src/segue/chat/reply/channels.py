"""Reads replies that are a sequence of messages, each with a header that names its channel and recipient."""

import re
from contextlib import suppress
from typing import Final, NamedTuple

from segue.chat.reply.body import CutOffError, NotACallError, markers_of, read_brackets
from segue.chat.reply.call_stream import CallStream
from segue.chat.reply.family import CHANNEL_END
from segue.chat.reply.notation import Call, loose_arguments, make_call
from segue.chat.reply.reader import Markers, Reader, Reading
from segue.chat.reply.scanner import JSON
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools
from segue.chat.reply.values import from_json

_START, _CHANNEL, _CONSTRAIN, _MESSAGE = "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>"
_ENDS: Final = (CHANNEL_END, "<|call|>", "<|return|>")
_GOES_ON: Final = (_CHANNEL, _CONSTRAIN, " ", "\n", "\t")
"""The strings with which a header may continue after a word."""
_HEADER_BEGINS = markers_of(_START, _CHANNEL, _MESSAGE)
_FIRST_HEADER_BEGINS = markers_of(_START, _CHANNEL, _MESSAGE, " to=", "to=")
_WORD_ENDS = markers_of(_MESSAGE, _START, *_ENDS, *_GOES_ON, "{")
_BODY_ENDS = markers_of(CHANNEL_END, "<|return|>", "<|start|>assistant", _CHANNEL)
_HEADLESS_BODY_ENDS = markers_of(CHANNEL_END, "<|return|>", "<|start|>assistant", _CHANNEL, _MESSAGE)
_CALL_ENDS = markers_of(*_ENDS)
_BEHIND_CALL = markers_of(*_ENDS, _START)
_HEADER: Final = re.compile(
    r"(?:<\|start\|>[\w.]*)?"
    r"(?:\s*to=[^\s<]*|<\|channel\|>\s*\w*|\s*<\|constrain\|>\s*\w*|\s+(?:json|code))*\s*"
)
_MAX_HEADER_CHARS: Final = 512
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_CHANNEL_NAME = re.compile(r"<\|channel\|>\s*(\w+)")
_TYPE = re.compile(r"(?<=\s)(?:json|code)\s*$")
_CHANNELS: Final = frozenset({"analysis", "commentary", "final"})
_PEOPLE: Final = frozenset({"user", "assistant"})
"""Recipients that are not tools."""


class _Header(NamedTuple):
    """A header, a word after it that is not part of it, and the marker after that, which is not yet read."""

    text: str
    word: str
    marker: str

    @property
    def is_whole(self) -> bool:
        return self.marker == _MESSAGE and not self.word

    @property
    def channel(self) -> str:
        """The last channel that the header names, empty if that channel is unknown."""
        named = _CHANNEL_NAME.findall(self.text)[-1:]
        return named[0] if named and named[0] in _CHANNELS else ""

    @property
    def is_unfinished(self) -> bool:
        """Whether the header could still become that of a known channel."""
        named = _CHANNEL_NAME.findall(self.text)[-1:]
        return not self.word and all(any(known.startswith(name) for known in _CHANNELS) for name in named)

    @property
    def recipient(self) -> str:
        found = _RECIPIENT.search(self.text)
        return found[1] if found else ""


class ChannelsReader:
    """Reads a reply that begins inside its first header, after `<|start|>assistant`."""

    def __init__(self, reader: Reader, sink: Sink, tools: Tools, *, parses_calls: bool) -> None:
        self._reader = reader
        self._sink = sink
        self._tools = tools
        self._parses_calls = parses_calls

    def read(self) -> Reading[None]:
        """Read the whole reply."""
        begin = yield from self._reader.stands(_FIRST_HEADER_BEGINS)
        while True:
            header = (yield from self._read_header(begin)) if begin else None
            while header:
                header = yield from self._read_message(header)
            begin = yield from self._reader.until(_HEADER_BEGINS, self._sink.say)
            if not begin:
                return

    def _read_header(self, begin: str) -> Reading[_Header]:
        """Read a header that begins here, and keep it."""
        reader = self._reader
        reader.keep()
        header = "" if begin == _MESSAGE else reader.skip(len(begin))
        while True:
            pieces: list[str] = []
            marker = yield from reader.until(_WORD_ENDS, pieces.append)
            word = "".join(pieces)
            if len(header) + len(word) > _MAX_HEADER_CHARS or not _HEADER.fullmatch(header + word):
                return _Header(header, word, marker)
            header += word
            if marker not in _GOES_ON:
                return _Header(header, "", marker)
            header += reader.skip(len(marker))

    def _read_message(self, header: _Header) -> Reading[_Header | None]:
        """Read the message after a header; returns the next header if that was read too.

        A header may end without its marker, at a word that cannot belong to it.
        """
        tool = self._tool(header.recipient)
        is_headless = not header.is_whole and bool(header.word or header.marker == "{")
        if not header.is_whole and not (is_headless and (tool or header.channel)):
            kept = self._reader.kept()
            if header.marker or not header.is_unfinished:
                self._sink.say(kept)
            return None
        if header.is_whole:
            self._reader.skip(len(_MESSAGE))
        if tool:
            yield from self._read_call(tool, is_begun=not header.word)
            return None
        kept = self._reader.kept()
        self._sink.cut(is_thought=header.channel == "analysis")
        if self._parses_calls and header.recipient and header.recipient not in _PEOPLE:
            self._sink.say(kept)
        elif is_headless:
            content_type = _TYPE.search(header.text)
            self._sink.say((content_type[0] if content_type else "") + header.word)
        following = yield from self._read_body(_HEADLESS_BODY_ENDS if is_headless else _BODY_ENDS)
        self._sink.cut(is_thought=False)
        return following

    def _tool(self, recipient: str) -> str:
        """The tool that a recipient names; empty if it names none."""
        name = self._tools.resolved(recipient.removeprefix("functions."))
        is_tool = self._tools.is_known(name) or (name != recipient and self._tools.may_be(name))
        return name if self._parses_calls and recipient and is_tool else ""

    def _read_body(self, ends: Markers) -> Reading[_Header | None]:
        """Read a message up to its end; returns the next header if one begins without an end marker before it."""
        while True:
            marker = yield from self._reader.until(ends, self._sink.say)
            if marker == _CHANNEL:
                header = yield from self._read_header(_CHANNEL)
                if header.channel and (header.is_whole or ends is _HEADLESS_BODY_ENDS):
                    return header
                self._sink.say(self._reader.kept())
                continue
            if marker and not marker.startswith(_START):
                self._reader.skip(len(marker))
            if marker != _MESSAGE:
                return None
            ends = _BODY_ENDS

    def _read_call(self, name: str, *, is_begun: bool) -> Reading[None]:
        """Read a call's arguments, which begin here if `is_begun`."""
        reader, sink = self._reader, self._sink
        try:
            yield from reader.spaces()
            following = yield from reader.peek()
            if following != "{" or not is_begun:
                raise NotACallError if following else CutOffError
            stream = CallStream(sink, self._tools)
            stream.expect_arguments(name, JSON)
            body = yield from read_brackets(reader, stops=(_START, *_ENDS), follow=stream.feed)
            call = yield from self._call(name, body)
        except CutOffError:
            rest = reader.kept()
            is_known = sink.give_up_call() or bool(sink.n_calls)
            if not is_known or any(end in rest for end in _ENDS):
                sink.say(rest)
        except (NotACallError, ValueError):
            sink.give_up_call()
            sink.say(reader.kept())
        else:
            reader.kept()
            sink.call(call.name, call.arguments)
            yield from reader.spaces()
            yield from reader.accept(_CALL_ENDS)

    def _call(self, name: str, body: str) -> Reading[Call]:
        """The call with this body. Raises `ValueError` or `NotACallError`."""
        with suppress(ValueError):
            return make_call(name, from_json(body))
        call = make_call(name, loose_arguments(body, '"', self._tools.schema(name)))
        yield from self._reader.spaces()
        if not (yield from self._reader.stands(_BEHIND_CALL)) and (yield from self._reader.peek()):
            raise NotACallError
        return call
