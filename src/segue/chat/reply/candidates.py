"""The possible readings of a call whose values are plain text that may itself contain markers.

A marker in such a call belongs to the notation or to a value, and neither is certain. So all plausible readings are
followed at once. A reading has a cost for each marker that is missing or out of place in it, and for each key or type
that the tool's schema does not have. The cheapest reading is taken as the one that the model meant.
"""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from segue.chat.reply.candidate import CallCandidate, CallState, Parameter
from segue.chat.reply.family import ElementForm
from segue.chat.reply.nesting import EMPTY
from segue.chat.reply.piece import CLOSES, CallPiece, Kind
from segue.chat.reply.tools import Tools
from segue.chat.reply.values import from_text

_MOST_CANDIDATES: Final = 8
_MOST_PARAMETERS: Final = 256
_LIKE_CLOSER: Final = re.compile(r"</[^<>\s]*>?\s*\Z")
_KEY: Final = re.compile(r"[\w.-]+")
_MOST_HEAD_CHARS: Final = 200
_BLANKS: Final = " \t\r\n`'\""
_MOST_CLOSER_CHARS: Final = 80
_MOST_LOOKS: Final = 8
"""The most times that the text of a call is scanned for types."""


class Candidates:
    """All candidates for a call of the tool `name`."""

    def __init__(self, form: ElementForm, tools: Tools, name: str) -> None:
        self._form = form
        self._tools = tools
        self._name = name
        self._candidates = [CallCandidate()]
        self._texts: list[str] = []
        self._n_chars = self._n_looked_at = 0
        self._is_behind_text = False
        self._marker: Kind | None = None
        self._given_up: float = math.inf

    @property
    def has_ended(self) -> bool:
        """Whether the call may be over."""
        return any(one.state is CallState.ENDED for one in self._candidates)

    @property
    def is_between(self) -> bool:
        """Whether only a marker can follow."""
        return all(one.state is CallState.BETWEEN for one in self._candidates)

    @property
    def is_hopeless(self) -> bool:
        """Whether no candidate can still become a call."""
        return all(one.is_wrong for one in self._candidates)

    def advance(self, piece: CallPiece) -> None:
        """Follow all candidates across the next piece."""
        index = len(self._texts)
        self._texts.append(piece.text)
        self._n_chars += len(piece.text)
        found = [one for before in self._candidates for one in self._followed(before, piece, index)]
        self._candidates = sorted(found, key=_cost)[:_MOST_CANDIDATES]
        line = piece.text.rpartition("\n")[2].strip()
        is_same_line = self._is_behind_text and "\n" not in piece.text
        self._is_behind_text = piece.kind is Kind.TEXT and (bool(line) or is_same_line)
        if piece.kind is not Kind.TEXT:
            self._marker = piece.kind
        elif piece.text.strip(_BLANKS):
            self._marker = None

    def cheapest(self, behind: Kind | None) -> Sequence[CallCandidate]:
        """The cheapest candidates for a call that ends before `behind`, or with the reply if `behind` is None.

        There are none if continuing the call costs no more: then the call is not over, or the reply was cut off. If
        it turns out later that ending the call there would have been cheaper, the text is not a call.
        """
        ended = [one.plus(2 * (one.is_loose and behind is Kind.TEXT)) for one in self._candidates if _is_ended(one)]
        lasting = [one for one in self._candidates if not _is_ended(one)]
        if behind in (Kind.CALL, Kind.SECTION):
            opener = CallPiece(behind, "")
            ended += [broken for one in lasting for broken in self._broken_off(one)]
            lasting = [one for before in lasting for one in self._followed(before, opener, len(self._texts))]
        if not ended:
            return ()
        least = min(map(_cost, ended))
        if any(one.cost <= least for one in lasting):
            self._given_up = min([self._given_up, *(one.cost for one in ended if not one.is_wrong)])
            return ()
        costs = [one.cost + self._lacks(one) for one in ended]
        found = [one for one, cost in zip(ended, costs, strict=True) if cost == min(costs)]
        return [replace(one, is_wrong=True) for one in found] if least >= self._given_up else found

    def go_on(self) -> None:
        """Continue the call; forget the candidates for which it was over."""
        self._candidates = [one for one in self._candidates if not _is_ended(one)]

    def value(self, parameter: Parameter) -> str:
        """The text of a value, without the line ends that the notation puts around it."""
        text = self._text(parameter.start, parameter.end)
        if self._form.strips_line:
            text = text.removeprefix("\n")
        return text.removesuffix("\n") if self._form.strips_line or not parameter.is_closed else text

    def _followed(self, one: CallCandidate, piece: CallPiece, index: int) -> Iterator[CallCandidate]:
        match one.state:
            case CallState.BETWEEN:
                return self._between(one, piece, index)
            case CallState.VALUE:
                return self._in_value(one, piece, index)
        return self._behind(one, piece, index)

    def _between(self, one: CallCandidate, piece: CallPiece, index: int) -> Iterator[CallCandidate]:
        match piece.kind:
            case Kind.TEXT:
                is_blank = not piece.text.strip()
                yield one if is_blank else one.plus(2 if piece.text.strip(_BLANKS) else 1, is_wrong=True)
            case Kind.PARAMETER:
                yield self._begun(one, piece, index)
            case Kind.PARAMETER_END:
                yield one.plus(1)
            case Kind.CALL_END:
                yield replace(one, state=CallState.ENDED)
            case Kind.SECTION_END:
                yield replace(one.plus(1), state=CallState.ENDED, is_section_over=True)
            case _:
                yield one.plus(3, is_wrong=True)

    def _in_value(self, one: CallCandidate, piece: CallPiece, index: int) -> Iterator[CallCandidate]:
        if piece.kind is Kind.TEXT:
            is_key = index > one.start and self._is_headless(one, piece.text)
            behind = one.plus(2, is_wrong=True) if is_key else one
            is_blank = not piece.text.strip(_BLANKS)
            follows_closer, follows_stray = one.follows_closer and is_blank, one.follows_stray and is_blank
            yield replace(behind, follows_closer=follows_closer, follows_stray=follows_stray)
            return
        yield self._with_content(one, piece)
        match piece.kind:
            case Kind.PARAMETER_END:
                yield self._closed(one, index, is_closed=True)
            case Kind.PARAMETER:
                if piece.key == one.opening.key and index - one.start <= 1 and not self._text(one.start, index).strip():
                    yield replace(one.plus(1), start=index + 1, nesting=EMPTY)
                yield self._begun(self._closed(one, index).plus(2 * self._is_inline), piece, index)
            case Kind.CALL_END:
                yield replace(self._closed(one, index), state=CallState.ENDED, is_loose=True)
            case Kind.SECTION_END:
                closed = self._closed(one, index).plus(1)
                yield replace(closed, state=CallState.ENDED, is_section_over=True, is_loose=True)

    def _behind(self, one: CallCandidate, piece: CallPiece, index: int) -> Iterator[CallCandidate]:
        match piece.kind:
            case Kind.TEXT:
                yield one
            case Kind.SECTION_END if not one.is_section_over:
                yield replace(one, is_section_over=True)
            case Kind.PARAMETER:
                yield one.plus(2, is_wrong=True)
                yield self._begun(one.plus(2), piece, index)
            case _:
                yield one.plus(2)

    def _with_content(self, one: CallCandidate, marker: CallPiece) -> CallCandidate:
        """The candidate in which the marker is part of the value."""
        cost = 4 if self._tools.is_scalar(self._name, one.opening.key) else 0
        cost += one.follows_stray and marker.kind is not Kind.PARAMETER_END
        nesting, is_stray = one.nesting, False
        if marker.kind not in CLOSES:
            is_likely = marker.kind is Kind.PARAMETER and not self._is_inline and self._is_next(one, marker.key)
            is_placed = one.follows_stray or not self._is_inline
            is_broken = marker.kind is Kind.PARAMETER and not marker.key and is_placed
            nesting = nesting.opened(marker.kind, 1)
            cost += is_likely or is_broken
        elif closed := nesting.closed(CLOSES[marker.kind]):
            nesting, n_left_open = closed
            cost += n_left_open
        else:
            is_stray = marker.kind is Kind.PARAMETER_END
            cost += (1 if is_stray else 2) - self._is_astray(one)
        is_closer = marker.kind is Kind.PARAMETER_END
        return replace(one.plus(cost), nesting=nesting, follows_closer=is_closer, follows_stray=is_stray)

    def _closed(self, one: CallCandidate, index: int, *, is_closed: bool = False) -> CallCandidate:
        """The candidate in which the value ends before the piece of this index, whether a marker closes it or not."""
        is_mistyped = self._is_mistyped(one, index)
        tail = "" if is_closed else "".join(self._texts[index - 1 : index])[-_MOST_CLOSER_CHARS:]
        has_markers = index - one.start > 1
        is_wrong = (
            one.is_wrong or (is_mistyped and (has_markers or not is_closed)) or _LIKE_CLOSER.search(tail) is not None
        )
        parameter = Parameter(one.opening, one.start, index, is_closed, one.last)
        cost = one.nesting.cost + self._is_astray(one) + 2 * is_mistyped
        cost += 0 if is_closed else 1 + one.follows_closer
        closed = CallCandidate(
            cost=one.cost + cost,
            is_wrong=is_wrong,
            state=CallState.BETWEEN,
            last=parameter,
            n_parameters=one.n_parameters + 1,
        )
        return replace(closed, has_others=one.has_others)

    def _begun(self, one: CallCandidate, opening: CallPiece, index: int) -> CallCandidate:
        """The candidate in which a parameter begins with this piece."""
        cost, is_wrong = 0, one.n_parameters >= _MOST_PARAMETERS
        if not opening.key:
            cost, is_wrong = 1, True
        elif one.has(opening.key):
            cost, is_wrong = 2, True
        elif self._tools.forbids(self._name, opening.key):
            cost, is_wrong = int(not one.has_others), True
        elif not self._tools.knows(self._name, opening.key):
            cost = int(not one.has_others)
        begun = CallCandidate(
            cost=one.cost,
            is_wrong=one.is_wrong,
            state=CallState.VALUE,
            last=one.last,
            n_parameters=one.n_parameters,
            opening=opening,
            start=index + 1,
        )
        return replace(begun.plus(cost, is_wrong=is_wrong), has_others=one.has_others or cost == 1)

    def _lacks(self, one: CallCandidate) -> bool:
        """Whether it lacks a parameter that the tool requires."""
        return not all(one.has(key) for key in self._tools.required(self._name))

    def _broken_off(self, one: CallCandidate) -> Iterator[CallCandidate]:
        """The candidate in which the call is over because the next one begins, though nothing closed it."""
        if one.state is CallState.BETWEEN and one.last is not None:
            yield one.plus(1)
        elif one.state is CallState.VALUE:
            yield self._closed(one, len(self._texts)).plus(1 + self._is_inline)

    def _is_headless(self, one: CallCandidate, text: str) -> bool:
        """Whether text after a marker begins like the head of a parameter or call whose own marker is missing."""
        text = text.lstrip()[:_MOST_HEAD_CHARS]
        word = _KEY.match(text)
        if word is None or self._marker is None:
            return False
        name, form = word[0], self._form
        is_key = self._tools.lists(self._name, name) and name != one.opening.key and not one.has(name)
        if is_key and text.startswith(('"', form.key_ends[0]), word.end()):
            return True
        if self._marker is Kind.CALL or not self._tools.is_known(name):
            return False
        return text.startswith(('"', form.name_end), word.end()) if form.name_end else text.strip() == name

    def _is_next(self, one: CallCandidate, key: str) -> bool:
        """Whether the tool has this parameter, it is not set yet, and it cannot belong to a call inside the value."""
        is_possible = key not in ("", one.opening.key) and not one.has(key)
        return is_possible and self._tools.knows(self._name, key) and Kind.CALL not in one.nesting.kinds

    @property
    def _is_inline(self) -> bool:
        """Whether a marker here would follow text on its line, though it should begin a line."""
        return self._is_behind_text and not self._form.is_inline

    def _is_astray(self, one: CallCandidate) -> bool:
        """Whether a marker here would follow text on its line, though the value has lines of its own."""
        has_lines = self._form.strips_line and self._text(one.start, one.start + 1).startswith("\n")
        return has_lines and self._is_behind_text

    def _is_mistyped(self, one: CallCandidate, index: int) -> bool:
        """Whether the schema does not allow the value; also true if checking it would take too long."""
        key, kind = one.opening.key, one.opening.type
        if one.opening.is_string or (kind is None and self._tools.takes_text(self._name, key)):
            return False
        text = self._text(one.start, index)
        self._n_looked_at += len(text)
        if self._n_looked_at > _MOST_LOOKS * self._n_chars:
            return True
        if kind is not None:
            return from_text(text) is text
        return not self._tools.accepts(self._name, key, self._tools.typed(self._name, key, text))

    def _text(self, start: int, end: int) -> str:
        return "".join(self._texts[start:end])


def _cost(one: CallCandidate) -> int:
    return one.cost


def _is_ended(one: CallCandidate) -> bool:
    return one.state is CallState.ENDED
