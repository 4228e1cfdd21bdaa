"""Whether a place in a text is within quotes, as far as its line tells."""

import re
from typing import Final

QUOTES: Final = ("`", '"', "'")
_BACKTICKS: Final = re.compile("`+")


class LineQuotes:
    """Follows a text to know what its last line quotes. Takes time that grows with the text only."""

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
        # a run of backticks is one quote, also if it comes in pieces
        self._counts["`"] += len(_BACKTICKS.findall(line)) - (self._last == "`" and line.startswith("`"))
        self._last = line[-1:] or self._last

    def encloses(self, following: str) -> bool:
        """Whether what stands here is quoted, if it is followed by this quote.

        Apostrophes do not come in pairs, so single quotes count only where they touch it.
        """
        return self._last == "'" if following == "'" else self._counts[following] % 2 == 1
