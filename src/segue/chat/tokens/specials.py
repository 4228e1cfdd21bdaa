"""Splits text at the special tokens of a vocabulary, as llama.cpp does before it tokenises the text between them."""

import re
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby

from segue.chat.prefix import common_prefix

_NOTHING = r"(?!)"


class SpecialSplitter:
    """Finds special tokens by their text. Immutable; any thread.

    llama.cpp looks for the longest special token in all of the text, then for the next shorter one in the rest.
    A single scan that takes the longest one at each place finds the same, unless a token overlaps the end of a
    shorter one; where that happens `split` gives up. Source: `tokenizer_st_partition` in llama-vocab.cpp.
    """

    def __init__(self, pieces: Mapping[str, int]) -> None:
        self._tokens = {piece: token for piece, token in pieces.items() if piece}
        self._pattern: re.Pattern[str] | None = None
        self._overlaps: dict[str, tuple[int, ...]] = {}
        try:
            self._pattern = re.compile(_longest_of(sorted(self._tokens)) or _NOTHING)
        except RecursionError:
            return
        self._overlaps = _find_overlaps(self._tokens)

    def split(self, text: str) -> list[tuple[int, int, int]] | None:
        """The special tokens in `text` as `(start, end, token)`, ascending; None if only llama.cpp can tell them."""
        if self._pattern is None:
            return None
        found = []
        for match in self._pattern.finditer(text):
            piece, start = match[0], match.start()
            for offset in self._overlaps.get(piece, ()):
                rival = self._pattern.match(text, start + offset)
                if rival and rival[0] != piece and len(rival[0]) >= len(piece) and rival.end() > match.end():
                    return None
            found.append((start, match.end(), self._tokens[piece]))
        return found


def _find_overlaps(pieces: Collection[str]) -> dict[str, tuple[int, ...]]:
    """For each piece the offsets in it at which another piece, no shorter, can begin and reach beyond its end."""
    longest: dict[str, int] = {}
    for piece in pieces:
        for n in range(1, len(piece)):
            longest[piece[:n]] = max(longest.get(piece[:n], 0), len(piece))
    return {
        piece: offsets
        for piece in pieces
        if (offsets := tuple(k for k in range(1, len(piece)) if longest.get(piece[k:], 0) >= len(piece)))
    }


def _longest_of(pieces: Sequence[str]) -> str:
    """A pattern for the longest of the sorted `pieces` at a place. It branches by character, so it is fast for many."""
    branches = []
    for _, group in groupby((piece for piece in pieces if piece), key=lambda piece: piece[0]):
        rest = list(group)
        n_common = common_prefix(rest[0], rest[-1])
        branches.append(re.escape(rest[0][:n_common]) + _longest_of([piece[n_common:] for piece in rest]))
    if not branches:
        return ""
    return f"(?:{'|'.join(branches)}{'|' if pieces[0] == '' else ''})"
