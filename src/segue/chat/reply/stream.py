"""Turns generated tokens into text as soon as the text is certain."""

import codecs
from collections.abc import Collection
from dataclasses import dataclass

from segue.chat.vocabulary import TokenVocabulary


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text that became certain. `stopped`: the stop string `stopping_word` was completed, and nothing follows."""

    text: str
    stopped: bool = False
    stopping_word: str = ""


_NOTHING = TextDelta("")


class TextStream:
    """The text of one reply, token by token.

    Holds back the bytes of an incomplete character and text that may become one of `stops`; invalid UTF-8 becomes
    U+FFFD. The reply ends before the stop string that is completed first, the longest if several are completed at
    once, however the text is split into tokens. Control and end tokens have no text, except those in `shown`. Costs a
    microsecond or two per token; belongs to one thread at a time.
    """

    def __init__(
        self, vocabulary: TokenVocabulary, stops: tuple[str, ...] = (), *, shown: Collection[int] = ()
    ) -> None:
        self._vocabulary = vocabulary
        self._shown = shown
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._beginnings = {stop[:n] for stop in self._stops for n in range(1, len(stop))}
        self._n_longest = max(map(len, self._beginnings), default=0)
        self._held = ""
        self._end: TextDelta | None = None

    def feed(self, token: int) -> TextDelta:
        """Add the next token. After a stop string, further tokens are ignored."""
        if self._end is not None:
            return self._end
        vocabulary = self._vocabulary
        if (vocabulary.is_control(token) or vocabulary.is_eog(token)) and token not in self._shown:
            return _NOTHING
        text = self._decoder.decode(vocabulary.piece(token))
        if not text:
            return _NOTHING
        return self._search(text) if self._stops else TextDelta(text)

    def flush(self) -> str:
        """Return the text still held back once the reply has ended; empty after a stop string."""
        rest = self._decoder.decode(b"", final=True)
        if self._end is not None:
            return ""
        delta = self._search(rest)
        return delta.text + self._held

    def _search(self, text: str) -> TextDelta:
        """Add decoded text; returns the text before a stop string, or the text that cannot become part of one."""
        text = self._held + text
        ends = [(found + len(stop), found, stop) for stop in self._stops if (found := text.find(stop)) >= 0]
        if ends:
            _, start, stop = min(ends)
            self._held = ""
            self._end = TextDelta("", stopped=True, stopping_word=stop)
            return TextDelta(text[:start], stopped=True, stopping_word=stop)
        for start in range(max(0, len(text) - self._n_longest), len(text)):
            if text[start:] in self._beginnings:
                self._held = text[start:]
                return TextDelta(text[:start])
        self._held = ""
        return TextDelta(text)
