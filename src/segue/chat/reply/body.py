"""The text of a call's body, up to where its brackets are closed."""

from functools import lru_cache

from segue.chat.reply.reader import Markers, Reader, Reading

_OPENING, _CLOSING = "{[(", "}])"


class NotACallError(Exception):
    """What seemed to begin a call is none."""


class CutOffError(NotACallError):
    """The reply ended inside a call."""


@lru_cache(maxsize=256)
def markers_of(*markers: str) -> Markers:
    """The same `Markers` for the same strings."""
    return Markers(*markers)


def read_brackets(
    reader: Reader, begun: str = "", *, quotes: tuple[str, ...] = ('"',), stops: tuple[str, ...] = ()
) -> Reading[str]:
    """Read up to the bracket that closes the first one, and return it all, behind `begun`, which was read before.

    Strings stand between equal `quotes`; those of one character have escapes. Outside of them, `stops` cannot
    stand. Raises `NotACallError`.
    """
    pieces = [begun]
    depth = sum(begun.count(bracket) for bracket in _OPENING)
    structure = markers_of(*_OPENING, *_CLOSING, *quotes, *stops)
    while True:
        marker = yield from reader.until(structure, pieces.append)
        if not marker:
            raise CutOffError
        if marker in stops:
            raise NotACallError
        pieces.append(reader.skip(len(marker)))
        if marker in quotes:
            yield from _read_string(reader, marker, pieces)
        elif marker in _OPENING:
            depth += 1
        else:
            depth -= 1
            if depth < 0:
                raise NotACallError
            if depth == 0:
                return "".join(pieces)


def _read_string(reader: Reader, quote: str, pieces: list[str]) -> Reading[None]:
    """Read the rest of a string into `pieces`."""
    ends = markers_of(quote, "\\") if len(quote) == 1 else markers_of(quote)
    while True:
        marker = yield from reader.until(ends, pieces.append)
        if not marker:
            raise CutOffError
        pieces.append(reader.skip(len(marker)))
        if marker == quote:
            return
        if not (yield from reader.peek()):
            raise CutOffError
        pieces.append(reader.skip(1))
