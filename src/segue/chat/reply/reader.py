"""Text that arrives in pieces, read as if all of it were there already."""

import re
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")
Reading = Generator[None, None, T]
"""Yields where more text is needed, and returns what it read."""


class Markers:
    """Strings to look for, the longest first where several begin at the same place."""

    def __init__(self, *markers: str) -> None:
        known = sorted({marker for marker in markers if marker}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known)) or r"(?!)")
        self._beginnings = {marker[:n] for marker in known for n in range(1, len(marker))}
        self._n_longest = max(map(len, known), default=0)

    def find(self, text: str, at: int, *, is_over: bool) -> tuple[int, str]:
        """Where the first marker begins, and the marker.

        Without a marker, how far it is certain that none begins.
        """
        found = self._pattern.search(text, at)
        start = found.start() if found else len(text)
        if not is_over:
            # an unfinished marker that begins earlier, or at the same place and is longer, is to be waited for
            for early in range(max(at, len(text) - self._n_longest + 1), min(start + 1, len(text))):
                if text[early:] in self._beginnings:
                    return early, ""
        return start, found[0] if found else ""

    def match(self, text: str, at: int, *, is_over: bool) -> str | None:
        """The marker that begins at `at`, empty if none does, None if more text must tell."""
        beginning = text[at : at + self._n_longest]
        if not is_over and self._n_longest and (not beginning or beginning in self._beginnings):
            return None
        found = self._pattern.match(text, at)
        return found[0] if found else ""


class Reader:
    """Reads text forward. What was read is gone, but for what `keep` was told to keep.

    No method looks further ahead than the longest marker, so the time taken grows with the text only. Where text is
    needed that has not come, readings yield; after `end`, they do not.
    """

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._kept: list[str] = []
        self._keeps = False
        self.is_over = False

    def feed(self, text: str) -> None:
        """Add text."""
        self._text = self._text[self._at :] + text
        self._at = 0

    def end(self) -> None:
        """No more text will come."""
        self.is_over = True

    def keep(self, first: str = "") -> None:
        """Keep what is read from now on, behind `first`, and forget what was kept."""
        self._kept = [first]
        self._keeps = True

    def kept(self) -> str:
        """What was kept, which is then forgotten; nothing more is kept."""
        kept = "".join(self._kept)
        self._kept, self._keeps = [], False
        return kept

    def skip(self, n_chars: int) -> str:
        """Read characters that are known to be there."""
        return self._take(self._at + n_chars)

    def until(self, markers: Markers, take: Callable[[str], object]) -> Reading[str]:
        """Read up to the next marker, which is returned and not yet read; empty at the end.

        `take` is given what is read, as soon as it is certain.
        """
        while True:
            start, marker = markers.find(self._text, self._at, is_over=self.is_over)
            if start > self._at:
                take(self._take(start))
            if marker or (self.is_over and self._at == len(self._text)):
                return marker
            yield

    def accept(self, markers: Markers) -> Reading[str]:
        """Read the marker that begins here, if one does."""
        marker = yield from self.stands(markers)
        return self._take(self._at + len(marker))

    def stands(self, markers: Markers) -> Reading[str]:
        """The marker that begins here, which is not yet read; empty if none does."""
        while (marker := markers.match(self._text, self._at, is_over=self.is_over)) is None:
            yield
        return marker

    def peek(self) -> Reading[str]:
        """The next character, which is not yet read; empty at the end."""
        while self._at == len(self._text) and not self.is_over:
            yield
        return self._text[self._at : self._at + 1]

    def spaces(self) -> Reading[str]:
        """Read white space."""
        pieces = []
        while (yield from self.peek()).isspace():
            end = self._at
            while end < len(self._text) and self._text[end].isspace():
                end += 1
            pieces.append(self._take(end))
        return "".join(pieces)

    def _take(self, end: int) -> str:
        piece = self._text[self._at : end]
        self._at = end
        if self._keeps and piece:
            self._kept.append(piece)
        return piece
