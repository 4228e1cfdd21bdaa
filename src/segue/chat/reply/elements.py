"""Calls whose parameters are elements, with values in plain text."""

import html
import re
from typing import Any

from segue.chat.reply.body import CutOffError, NotACallError, markers_of
from segue.chat.reply.family import ElementForm
from segue.chat.reply.notation import Call, make_call
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.values import Tools, untyped

_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_MAX_HEAD_CHARS = 1024
_NAME = re.compile(r"[^\s<>{}\"'=]{1,256}")


class ElementReader:
    """Reads one call of a form, whose opening marker was read already."""

    def __init__(self, reader: Reader, form: ElementForm, tools: Tools) -> None:
        self._reader = reader
        self._form = form
        self._tools = tools

    def read(self) -> Reading[Call]:
        """Raises `NotACallError`."""
        form, reader = self._form, self._reader
        head = yield from self._read_name()
        is_closed = form.has_attributes and head.rstrip().endswith("/")
        name, _ = self._split(head.rstrip("/") if is_closed else head)
        if not _NAME.fullmatch(name):
            raise NotACallError
        arguments: dict[str, Any] = {}
        parts = markers_of(form.parameter[0], form.call[1], form.section[1])
        while not is_closed:
            yield from reader.spaces()
            marker = yield from reader.accept(parts)
            if marker == form.parameter[0]:
                key, value, is_closed = yield from self._read_parameter(name)
                arguments[key] = value
            elif marker:
                is_closed = True
            elif (yield from reader.peek()):
                raise NotACallError
            else:
                raise CutOffError
        return make_call(name, arguments)

    def _read_name(self) -> Reading[str]:
        form = self._form
        if form.name_end:
            return (yield from self._read_head(form.name_end))
        yield from self._reader.spaces()
        pieces: list[str] = []
        marker = yield from self._reader.until(markers_of(form.parameter[0], form.call[1], "\n"), pieces.append)
        if not marker:
            raise CutOffError
        return "".join(pieces)

    def _read_head(self, end: str) -> Reading[str]:
        """The text before `end`, on the same line."""
        pieces: list[str] = []
        marker = yield from self._reader.until(markers_of(end, "\n"), pieces.append)
        if not marker:
            raise CutOffError
        self._reader.skip(len(marker))
        head = "".join(pieces)
        if marker == "\n" or len(head) > _MAX_HEAD_CHARS:
            raise NotACallError
        return head

    def _read_parameter(self, name: str) -> Reading[tuple[str, Any, bool]]:
        """Key and value of a parameter, and whether its end was that of the call too."""
        form = self._form
        head = yield from self._read_head(form.key_ends[0])
        for end in form.key_ends[1:]:
            yield from self._reader.spaces()
            if not (yield from self._reader.accept(markers_of(end))):
                raise NotACallError if (yield from self._reader.peek()) else CutOffError
        key, attributes = self._split(head)
        text, is_closed = yield from self._read_value()
        if form.strips_line:
            text = text.removeprefix("\n").removesuffix("\n")
        kind = attributes.get("string", attributes.get("type"))
        if kind in ("true", "string"):
            return key, text, is_closed
        if kind is not None:
            return key, untyped(text), is_closed
        return key, self._tools.typed(name, key, text), is_closed

    def _read_value(self) -> Reading[tuple[str, bool]]:
        """A value, and whether its end was that of the call too.

        A closing marker ends it only where the next element stands behind, since values may be texts about markers.
        Where it is missing, the next parameter on a new line ends it, or the end of the call.
        """
        form, reader = self._form, self._reader
        opens, closes = form.parameter
        next_open = "\n" + opens
        ends = markers_of(closes, next_open, form.call[1])
        behind = markers_of(opens, form.call[1], form.section[1])
        behind_call = markers_of(form.section[1] or form.call[0])
        pieces: list[str] = []
        while True:
            marker = yield from reader.until(ends, pieces.append)
            if not marker:
                raise CutOffError
            if marker == next_open:
                reader.skip(1)
                return "".join(pieces), False
            pieces.append(reader.skip(len(marker)))
            spaces = yield from reader.spaces()
            follows = behind if marker == closes else behind_call
            found = yield from reader.stands(follows)
            if found or (marker == form.call[1] and not (yield from reader.peek())):
                pieces.pop()
                return "".join(pieces), marker != closes
            pieces.append(spaces)

    def _split(self, head: str) -> tuple[str, dict[str, str]]:
        """The name or key that a head begins with, and its attributes."""
        if not self._form.has_attributes:
            return head.strip(), {}
        name, _, rest = head.partition('"')
        return html.unescape(name), dict(_ATTRIBUTE.findall(rest))
