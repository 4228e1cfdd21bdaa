"""Reads the text of a call's body, up to the bracket that closes it."""

from collections.abc import Callable
from functools import lru_cache

from segue.chat.reply.reader import Markers, Reader, Reading

_OPENING, _CLOSING = "{[(", "}])"
_QUOTES = ('"', "'")
_BEFORE_STRING = (*"{[(,:=", "")
_BEHIND_STRING = tuple("}]),:=")


class NotACallError(Exception):
    """The text looked like the beginning of a call, but is not a call."""


class CutOffError(NotACallError):
    """The reply ended inside a call."""


@lru_cache(maxsize=256)
def markers_of(*markers: str) -> Markers:
    """The same `Markers` for the same strings."""
    return Markers(*markers)


def read_brackets(
    reader: Reader,
    begun: str = "",
    *,
    quotes: tuple[str, ...] = (),
    stops: tuple[str, ...] = (),
    follow: Callable[[str], None],
) -> Reading[str]:
    """Read up to the bracket that closes the first one; returns the text, preceded by `begun`, which was read before.

    Meanwhile `follow` is called with all of that text, piece by piece.
    Strings are enclosed in a pair of the same quotes: JSON's, Python's or one of `quotes`. Outside strings, `stops`
    are not allowed. Raises `NotACallError`.
    """
    pieces = [begun]
    follow(begun)
    reader.follow(follow)
    try:
        yield from _read_to_end(reader, pieces, quotes, stops)
    finally:
        reader.follow(None)
    return "".join(pieces)


def _read_to_end(reader: Reader, pieces: list[str], quotes: tuple[str, ...], stops: tuple[str, ...]) -> Reading[None]:
    """Read up to the bracket that closes the first one into `pieces`, which have the text that was read before."""
    begun = pieces[0]
    depth = sum(begun.count(bracket) for bracket in _OPENING)
    quotes = (*_QUOTES, *quotes)
    structure = markers_of(*_OPENING, *_CLOSING, *quotes, *stops)
    while True:
        marker = yield from reader.until(structure, pieces.append)
        if not marker:
            raise CutOffError
        if marker in stops:
            raise NotACallError
        is_string = marker in quotes and _last_of(pieces) in _BEFORE_STRING
        pieces.append(reader.skip(len(marker)))
        if is_string:
            yield from _read_string(reader, marker, pieces, stops)
        elif marker in _OPENING:
            depth += 1
        elif marker in _CLOSING:
            depth -= 1
            if depth < 0:
                raise NotACallError
            if depth == 0:
                return


def _read_string(reader: Reader, quote: str, pieces: list[str], stops: tuple[str, ...]) -> Reading[None]:
    """Read the rest of a string into `pieces`. It ends at the first quote that is followed by more than text.

    A family's own quotes have no escapes, so quotes inside a string come in pairs. A key may follow them directly,
    since models forget commas there.
    """
    is_own = quote not in _QUOTES
    ends = markers_of(quote) if is_own else markers_of(quote, "\\")
    may_end = True
    behind = markers_of(*_BEHIND_STRING, *stops)
    while True:
        marker = yield from reader.until(ends, pieces.append)
        if not marker:
            raise CutOffError
        is_opening = _last_of(pieces) in _BEFORE_STRING
        pieces.append(reader.skip(len(marker)))
        if marker == quote:
            spaces = yield from reader.spaces()
            pieces.append(spaces)
            is_behind = bool((yield from reader.stands(behind))) or not (yield from reader.peek())
            is_key = is_own and not (spaces or is_opening) and (yield from reader.peek()).isalpha()
            if may_end and (is_behind or is_key):
                return
            may_end = not (is_own and may_end)
        elif (yield from reader.peek()):
            pieces.append(reader.skip(1))


def _last_of(pieces: list[str]) -> str:
    """The last character that is not white space; empty if there is none."""
    return next((piece.rstrip()[-1] for piece in reversed(pieces) if piece and not piece.isspace()), "")
