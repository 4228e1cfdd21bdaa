"""Tells whether a place in a text is inside quotes, judging by its line."""

import re
from typing import Final

QUOTES: Final = ("`", '"', "'")
_BACKTICKS: Final = re.compile("`+")


class LineQuotes:
    """Tracks the open quotes on the last line of a text. Takes time linear in the text."""

    def __init__(self) -> None:
        self._last = ""
        self._counts = dict.fromkeys(QUOTES, 0)

    def feed(self, text: str) -> None:
        """Follow more of the text."""
        _, line_end, line = text.rpartition("\n")
        if line_end:
            self._last = ""
            self._counts = dict.fromkeys(QUOTES, 0)
        self._counts['"'] += line.count('"')
        # a run of backticks is one quote, even if it arrives in pieces
        self._counts["`"] += len(_BACKTICKS.findall(line)) - (self._last == "`" and line.startswith("`"))
        self._last = line[-1:] or self._last

    def encloses(self, following: str) -> bool:
        """Whether the text at this place is quoted, if the text is followed by `following`.

        Apostrophes do not come in pairs, so single quotes count only if they touch the text.
        """
        return self._last == "'" if following == "'" else self._counts[following] % 2 == 1
