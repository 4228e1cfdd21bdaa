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

    Holds back the bytes of an unfinished character and text that may become one of `stops`; bytes that are no UTF-8
    become U+FFFD. The reply ends before the stop string that is completed first, the longest of those completed at
    once, however the text falls into tokens. Control and end tokens are no text, but for those `shown`. Costs a
    microsecond or two a token; belongs to one thread at a time.
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
        """Take the next token. After a stop string, whatever comes is ignored."""
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
        """What is still held back, when the reply has ended; nothing after a stop string."""
        rest = self._decoder.decode(b"", final=True)
        if self._end is not None:
            return ""
        delta = self._search(rest)
        return delta.text + self._held

    def _search(self, text: str) -> TextDelta:
        """Take decoded text: up to a stop string, or what cannot become part of one."""
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
