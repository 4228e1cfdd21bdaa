"""Reads calls whose parameters are elements, with values in plain text."""

import html
import re
from collections.abc import Sequence
from typing import Any

from segue.chat.reply.body import CutOffError, NotACallError, markers_of
from segue.chat.reply.candidate import CallCandidate
from segue.chat.reply.candidates import Candidates
from segue.chat.reply.element_stream import ElementStream
from segue.chat.reply.family import ElementForm
from segue.chat.reply.notation import Call, make_call
from segue.chat.reply.piece import CallPiece, Kind, kinds_of
from segue.chat.reply.reader import Reader, Reading
from segue.chat.reply.sink import Sink
from segue.chat.reply.tools import Tools
from segue.chat.reply.values import from_text

_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_MAX_HEAD_CHARS = 1024
_KEY = re.compile(r"[\w.:/$@ -]*[\w$]")
_NAME = re.compile(r"[^\s<>{}\"'=]{1,256}")


class ElementReader:
    """Reads one call of a form; its opening marker was read already.

    Afterwards, `gap` is the white space that was read after the call, and `is_section_over` tells whether the marker
    that closes the section was read.
    """

    def __init__(self, reader: Reader, sink: Sink, form: ElementForm, tools: Tools) -> None:
        self._reader = reader
        self._sink = sink
        self._form = form
        self._tools = tools
        self._kinds = kinds_of(form)
        self._markers = markers_of(*self._kinds)
        self._sections = markers_of(*(form.section[0] + gap + form.call[0] for gap in ("", "\n", "\n\n", " ")))
        self.gap = ""
        self.is_section_over = False

    def read(self) -> Reading[Call]:
        """Read the call, up to the text after it. Raises `NotACallError`."""
        head = yield from self._read_name()
        is_closed = self._form.has_attributes and head.rstrip().endswith("/")
        name, _ = self._split(head.rstrip("/") if is_closed else head)
        if not _NAME.fullmatch(name):
            raise NotACallError
        name = self._tools.resolved(name)
        if is_closed:
            return make_call(name, {})
        candidates = Candidates(self._form, self._tools, name)
        stream = ElementStream(self._sink, self._form, self._tools, name)
        while True:
            gap = yield from self._reader.spaces()
            kind = yield from self._following()
            if kind is None or (yield from self._may_end(candidates, kind)):
                if found := candidates.cheapest(kind):
                    self.gap = gap
                    return self._call(name, candidates, found)
                if kind is None:
                    raise NotACallError if candidates.has_ended else CutOffError
                candidates.go_on()
                if candidates.is_between:
                    raise NotACallError
            yield from self._advance(name, candidates, stream, gap, kind)
            if candidates.is_hopeless:
                raise NotACallError

    def _may_end(self, candidates: Candidates, kind: Kind) -> Reading[bool]:
        """Whether the next piece, of this kind, cannot belong to the call once the call is over."""
        match kind:
            case Kind.TEXT:
                return candidates.has_ended or candidates.is_between
            case Kind.SECTION:
                return bool((yield from self._reader.stands(self._sections)))
        return kind is Kind.CALL

    def _call(self, name: str, candidates: Candidates, found: Sequence[CallCandidate]) -> Call:
        """The call on which all candidates in `found` agree. Raises `NotACallError` if they agree on none."""
        calls = [
            make_call(
                name, {one.opening.key: self._value(name, candidates.value(one), one.opening) for one in parameters}
            )
            for parameters in (candidate.parameters for candidate in found)
        ]
        if any(candidate.is_wrong for candidate in found) or any(call != calls[0] for call in calls):
            raise NotACallError
        self.is_section_over = found[0].is_section_over
        return calls[0]

    def _value(self, name: str, text: str, opening: CallPiece) -> Any:
        if opening.type is None:
            return self._tools.typed(name, opening.key, text)
        return text if opening.is_string else from_text(text)

    def _following(self) -> Reading[Kind | None]:
        """The kind of the next piece, which is not yet read; None at the end."""
        marker = yield from self._reader.stands(self._markers)
        if marker:
            return self._kinds[marker]
        return Kind.TEXT if (yield from self._reader.peek()) else None

    def _advance(self, name: str, candidates: Candidates, stream: ElementStream, gap: str, kind: Kind) -> Reading[None]:
        """Advance all candidates by `gap`, which was read already, and by the next piece."""
        pieces = [gap]
        stream.text(gap)
        if kind is Kind.TEXT:
            self._reader.follow(stream.text)
            yield from self._reader.until(self._markers, pieces.append)
            self._reader.follow(None)
        if text := "".join(pieces):
            candidates.advance(CallPiece(Kind.TEXT, text))
        if kind is not Kind.TEXT:
            marker = yield from self._read_marker(name, kind)
            candidates.advance(marker)
            stream.marker(marker)

    def _read_marker(self, name: str, kind: Kind) -> Reading[CallPiece]:
        """Read the marker here; a parameter with an invalid head has no key."""
        text = yield from self._reader.accept(self._markers)
        if kind is not Kind.PARAMETER:
            return CallPiece(kind, text)
        pieces = [text]
        yield from self._reader.until(markers_of(self._form.key_ends[0], "\n", *self._kinds), pieces.append)
        head = "".join(pieces[1:])
        for end in self._form.key_ends:
            pieces.append((yield from self._reader.spaces()) if end is not self._form.key_ends[0] else "")
            if not (yield from self._reader.accept(markers_of(end))):
                if not (yield from self._reader.peek()):
                    raise CutOffError
                return CallPiece(kind, "".join(pieces))
            pieces.append(end)
        key, attributes = self._split(head if len(head) <= _MAX_HEAD_CHARS else "")
        if not _KEY.fullmatch(key) and not self._tools.lists(name, key):
            key = ""
        return CallPiece(kind, "".join(pieces), key, attributes.get("string", attributes.get("type")))

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

    def _split(self, head: str) -> tuple[str, dict[str, str]]:
        """The name or key at the beginning of a head, and its attributes."""
        if not self._form.has_attributes:
            return head.strip(), {}
        name, _, rest = head.partition('"')
        return html.unescape(name), dict(_ATTRIBUTE.findall(rest))
