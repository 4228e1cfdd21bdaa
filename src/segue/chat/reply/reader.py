"""Reads text that arrives in pieces as if it were complete."""

import re
from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")
Reading = Generator[None, None, T]
"""Yields when it needs more text, and returns its result."""


class Markers:
    """Strings to search for; the longest wins if several begin at the same place."""

    def __init__(self, *markers: str) -> None:
        known = sorted({marker for marker in markers if marker}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known)) or r"(?!)")
        self._beginnings = {marker[:n] for marker in known for n in range(1, len(marker))}
        self._n_longest = max(map(len, known), default=0)

    def find(self, text: str, at: int, *, is_over: bool) -> tuple[int, str]:
        """The start of the first marker, and the marker.

        Without a marker, the position before which none can begin, and an empty string.
        """
        found = self._pattern.search(text, at)
        start = found.start() if found else len(text)
        if not is_over:
            # wait for an unfinished marker that begins earlier, or that begins at the same place and is longer
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
    """Reads text forward. Text that was read is discarded, unless `keep` was called.

    No method looks further ahead than the longest marker, so the time is linear in the text. Readings yield when they
    need text that has not arrived; after `end`, they never yield.
    """

    def __init__(self) -> None:
        self._text = ""
        self._at = 0
        self._kept: list[str] = []
        self._keeps = False
        self._follow: Callable[[str], None] | None = None
        self.is_over = False

    @property
    def unread(self) -> str:
        """The text that has arrived and is not yet read."""
        return self._text[self._at :]

    def feed(self, text: str) -> None:
        """Add text."""
        self._text = self._text[self._at :] + text
        self._at = 0

    def end(self) -> None:
        """Mark the end of the text."""
        self.is_over = True

    def keep(self, first: str = "") -> None:
        """Keep the text read from now on, preceded by `first`, instead of the text kept before."""
        self._kept = [first]
        self._keeps = True

    def kept(self) -> str:
        """Return the text kept, and stop keeping text."""
        kept = "".join(self._kept)
        self._kept, self._keeps = [], False
        return kept

    def follow(self, take: Callable[[str], None] | None) -> None:
        """Call `take` with all text that is read from now on; None ends that."""
        self._follow = take

    def skip(self, n_chars: int) -> str:
        """Read `n_chars` characters that have arrived."""
        return self._consume(self._at + n_chars)

    def until(self, markers: Markers, take: Callable[[str], object]) -> Reading[str]:
        """Read up to the next marker, and return the marker without reading it; empty at the end.

        `take` is called with the text read, as soon as it is certain.
        """
        while True:
            start, marker = markers.find(self._text, self._at, is_over=self.is_over)
            if start > self._at:
                take(self._consume(start))
            if marker or (self.is_over and self._at == len(self._text)):
                return marker
            yield

    def accept(self, markers: Markers) -> Reading[str]:
        """Read and return the marker that begins here; empty if none does."""
        marker = yield from self.stands(markers)
        return self._consume(self._at + len(marker))

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
            pieces.append(self._consume(end))
        return "".join(pieces)

    def _consume(self, end: int) -> str:
        piece = self._text[self._at : end]
        self._at = end
        if self._keeps and piece:
            self._kept.append(piece)
        if self._follow is not None and piece:
            self._follow(piece)
        return piece
