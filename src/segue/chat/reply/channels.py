"""Replies that are a sequence of messages, each with a header that tells whom it is for."""

import re
from typing import Final

from segue.chat.reply.body import CutOffError, NotACallError, markers_of, read_brackets
from segue.chat.reply.notation import make_call
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.sink import Sink
from segue.chat.reply.values import from_json

_START, _CHANNEL, _MESSAGE = "<|start|>", "<|channel|>", "<|message|>"
_ENDS: Final = ("<|end|>", "<|call|>", "<|return|>")
_HEADER_BEGINS = markers_of(_START, _CHANNEL, _MESSAGE)
_FIRST_HEADER_BEGINS = markers_of(_START, _CHANNEL, _MESSAGE, " to=")
_HEADER_ENDS = markers_of(_MESSAGE, _START, *_ENDS)
_BODY_ENDS = markers_of("<|end|>", "<|return|>", "<|start|>assistant")
_CALL_ENDS = markers_of(*_ENDS)
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_CHANNEL_NAME = re.compile(r"<\|channel\|>\s*(\w+)")
_UNFINISHED_HEADER = re.compile(r"[\s\w.=]*(?:<\|(?:start|channel|constrain)\|>[\s\w.=]*){0,3}")


class ChannelsReader:
    """Reads a reply that begins within its first header, behind `<|start|>assistant`."""

    def __init__(self, reader: Reader, sink: Sink, *, parses_calls: bool) -> None:
        self._reader = reader
        self._sink = sink
        self._parses_calls = parses_calls

    def read(self) -> Reading[None]:
        """Read all of the reply."""
        begin = yield from self._reader.accept(_FIRST_HEADER_BEGINS)
        while True:
            if begin:
                yield from self._read_message(begin)
            marker = yield from self._reader.until(_HEADER_BEGINS, self._sink.say)
            if not marker:
                return
            begin = self._reader.skip(len(marker))

    def _read_message(self, begin: str) -> Reading[None]:
        reader, sink = self._reader, self._sink
        reader.keep(begin)
        pieces = [begin]
        marker = _MESSAGE if begin == _MESSAGE else (yield from reader.until(_HEADER_ENDS, pieces.append))
        header = "".join(pieces)
        if marker == _MESSAGE and begin != _MESSAGE:
            reader.skip(len(marker))
        if marker != _MESSAGE:
            kept = reader.kept()
            if marker or not _UNFINISHED_HEADER.fullmatch(header):
                sink.say(kept)
            return
        recipient = _RECIPIENT.search(header)
        channels = _CHANNEL_NAME.findall(header)
        if recipient and recipient[1].startswith("functions.") and self._parses_calls:
            yield from self._read_call(recipient[1].removeprefix("functions."))
            return
        reader.kept()
        sink.cut(is_thought="analysis" in channels[-1:])
        yield from self._read_body()
        sink.cut(is_thought=False)

    def _read_body(self) -> Reading[None]:
        marker = yield from self._reader.until(_BODY_ENDS, self._sink.say)
        if marker and not marker.startswith(_START):
            self._reader.skip(len(marker))

    def _read_call(self, name: str) -> Reading[None]:
        reader, sink = self._reader, self._sink
        try:
            yield from reader.spaces()
            if (following := (yield from reader.peek())) != "{":
                raise NotACallError if following else CutOffError
            body = yield from read_brackets(reader, stops=(_START, *_ENDS))
            call = make_call(name, from_json(body))
        except CutOffError:
            rest = reader.kept()
            if not sink.n_calls:
                sink.say(rest)
        except (NotACallError, ValueError):
            sink.say(reader.kept())
        else:
            reader.kept()
            sink.call(call.name, call.arguments)
            yield from reader.spaces()
            yield from reader.accept(_CALL_ENDS)
