"""Tokenises prompts, each piece of text only once."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

import numpy as np

from segue.chat.rendered_prompt import RenderedPrompt, WrittenText
from segue.chat.tokens.memory import TokenMemory
from segue.chat.tokens.specials import SpecialSplitter
from segue.chat.vocabulary import Tokens, TokenVocabulary
from segue.policy.prompt_marks import Breakpoint, PromptMarks

DEFAULT_MEMORY_BYTES = 1 << 26
_N_BLOCK_CHARS = 1 << 14
_SURROGATE = re.compile("[\ud800-\udfff]")


class EncodedPrompt(NamedTuple):
    """Tokens to read, read-only, and where a checkpoint of them is likely to pay."""

    tokens: Tokens
    marks: PromptMarks = PromptMarks()


class TextSegment(NamedTuple):
    """Text between two special tokens: characters `[start, end)`, of which the tokens begin at `n_before`."""

    start: int
    end: int
    n_before: int


class PromptTokenizer:
    """Tokenises prompts as the vocabulary does whole, but each text between two special tokens only once.

    Any thread may encode, several at once. It remembers texts up to `n_bytes` in memory, never across namespaces.
    """

    def __init__(self, vocabulary: TokenVocabulary, n_bytes: int = DEFAULT_MEMORY_BYTES) -> None:
        self._vocabulary = vocabulary
        self._memory = TokenMemory(n_bytes)
        pieces = vocabulary.special_pieces()
        self._splitter = SpecialSplitter(pieces)
        # llama.cpp finds user-defined tokens of white space itself; Gemma has one for each line end
        splitting = [token for piece, token in pieces.items() if vocabulary.is_control(token) or not piece.isspace()]
        self._special = {token: np.int32(token).tobytes() for token in splitting}
        self._special_ids = np.array(sorted(self._special), np.int32)
        self._bos = [vocabulary.bos] if vocabulary.add_bos and vocabulary.bos >= 0 else []
        self._bos_text = vocabulary.text(vocabulary.bos) if self._bos else ""
        self._frame = vocabulary.tokenize("", add_special=True, parse_special=False)
        self._n_piece_bytes = np.full(vocabulary.n_tokens, -1, np.int32)

    def encode(self, prompt: RenderedPrompt | str, namespace: str = "") -> EncodedPrompt:
        """The tokens of a prompt, and its marks as token positions.

        BOS stands in front where the model wants it, once even if the text begins with it; there is no EOS, since a
        prompt is to be continued. Special tokens in the text count as such. A mark inside a token moves to the
        token's start. A lone surrogate becomes U+FFFD.
        """
        rendered = RenderedPrompt(text=prompt) if isinstance(prompt, str) else prompt
        text = rendered.text if rendered.text.isascii() else _SURROGATE.sub("\ufffd", rendered.text)
        n_stripped = len(self._bos_text) if self._bos and text.startswith(self._bos_text) else 0
        text = text[n_stripped:]
        specials = self._specials(text)
        if specials is None or self._vocabulary.has_trimming_specials:
            tokens, segments = self._encode_whole(text, specials)
        else:
            written = [
                WrittenText(one.start - n_stripped, one.end - n_stripped, one.tokens) for one in rendered.written
            ]
            tokens, segments = self._encode_segments(text, specials, written, namespace)

        breakpoints = [mark.end for mark in rendered.breakpoints]
        given = (rendered.message_ends, rendered.volatile, rendered.part_ends, breakpoints)
        offsets = sorted({max(0, offset - n_stripped) for group in given for offset in group})
        places = dict(zip(offsets, self._places(text, tokens, segments, offsets), strict=True))

        def place(offset: int) -> int:
            return places[max(0, offset - n_stripped)]

        def positions(group: Iterable[int]) -> tuple[int, ...]:
            return tuple(sorted({place(offset) for offset in group} - {0}))

        ttls_s: dict[int, float] = {}
        for end, ttl_s in rendered.breakpoints:
            ttls_s[place(end)] = max(ttl_s, ttls_s.get(place(end), 0.0))
        marks = PromptMarks(
            message_ends=positions(rendered.message_ends),
            volatile=positions(rendered.volatile),
            breakpoints=tuple(Breakpoint(end, ttls_s[end]) for end in sorted(ttls_s) if end),
            n_stable=len(positions(rendered.message_ends[: rendered.n_stable])),
            part_ends=positions(rendered.part_ends),
        )
        return EncodedPrompt(tokens, marks)

    def plain(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        """The tokens that the vocabulary makes of a text in one go. Nothing is remembered.

        It would take time by the square of the number of special tokens in the text, and still does where only the
        vocabulary knows how they, or their text, are to be read.
        """
        specials = self._specials(text)
        if specials is None or self._vocabulary.has_trimming_specials or (specials and not parse_special):
            return self._vocabulary.tokenize(text, add_special=add_special, parse_special=parse_special)
        n_front = len(self._bos)
        parts, start = [self._frame[:n_front].tobytes() if add_special else b""], 0
        for end, following, token in specials:
            parts += [self._unremembered(text[start:end]), self._special[token]]
            start = following
        parts += [self._unremembered(text[start:]), self._frame[n_front:].tobytes() if add_special else b""]
        return np.frombuffer(b"".join(parts), np.int32)

    def since_special(self, tokens: Tokens) -> Tokens:
        """The tokens behind the last special one."""
        places = np.flatnonzero(np.isin(tokens, self._special_ids))
        return tokens[places[-1] + 1 :] if len(places) else tokens

    def _encode_segments(
        self, text: str, specials: Sequence[tuple[int, int, int]], written: Sequence[WrittenText], namespace: str
    ) -> tuple[Tokens, list[TextSegment]]:
        parts = [np.array(self._bos, np.int32).tobytes()]
        segments = []
        n_bytes, start = len(parts[0]), 0
        known = {one.start: one for one in written}
        for end, following, token in [*specials, (len(text), len(text), None)]:
            if end < start:
                continue  # a special token's text that the model wrote
            one = known.get(start)
            if one is not None and one.end > end:
                continue
            # Behind what a model wrote may stand text that it did not write.
            own = (start, one.end, one.tokens) if one is not None else (start, end, None)
            for first, last, known_tokens in (own, (own[1], end, None))[: 1 + (own[1] < end)]:
                segments.append(TextSegment(first, last, n_bytes // 4))
                if first < last:
                    parts.append(known_tokens or self._encode_text(text[first:last], namespace))
                    n_bytes += len(parts[-1])
            if token is not None:
                parts.append(self._special[token])
                n_bytes += 4
            start = following
        return np.frombuffer(b"".join(parts), np.int32), segments

    def _encode_text(self, text: str, namespace: str) -> bytes:
        """The tokens of a text without special tokens."""
        known = self._memory.get(namespace, text)
        if known is None:
            known = self._unremembered(text)
            self._memory.put(namespace, text, known)
        return known

    def _unremembered(self, text: str) -> bytes:
        """The same, not remembered."""
        tokenize = self._vocabulary.tokenize
        return b"".join(tokenize(b, add_special=False, parse_special=False).tobytes() for b in self._blocks(text))

    def _blocks(self, text: str) -> list[str]:
        """The text, cut before some of the tokens that llama.cpp finds in it, each of which it searches to the end."""
        specials = self._splitter.split(text) or [] if len(text) > _N_BLOCK_CHARS else []
        cuts = [0]
        for start, _, _ in specials:
            if start - cuts[-1] >= _N_BLOCK_CHARS:
                cuts.append(start)
        return [text[start:end] for start, end in pairwise([*cuts, len(text)]) if start < end]

    def _specials(self, text: str) -> list[tuple[int, int, int]] | None:
        """The special tokens in a text, as `SpecialSplitter.split`, without those that llama.cpp is left to find."""
        specials = self._splitter.split(text)
        return None if specials is None else [special for special in specials if special[2] in self._special]

    def _encode_whole(
        self, text: str, specials: Sequence[tuple[int, int, int]] | None
    ) -> tuple[Tokens, list[TextSegment]]:
        """Tokenise in one go. Without `specials`, or where the tokens have others, all of it is one segment."""
        body = self._vocabulary.tokenize(text, add_special=False, parse_special=True)
        tokens = np.concatenate([np.array(self._bos, np.int32), body])
        tokens.flags.writeable = False
        places = np.flatnonzero(np.isin(body, self._special_ids)) + len(self._bos)
        if specials is None or [token for _, _, token in specials] != tokens[places].tolist():
            return tokens, [TextSegment(0, len(text), len(self._bos))]
        starts = [0, *(end for _, end, _ in specials)]
        ends = [*(start for start, _, _ in specials), len(text)]
        n_before = [len(self._bos), *(places + 1).tolist()]
        return tokens, [TextSegment(*segment) for segment in zip(starts, ends, n_before, strict=True)]

    def _places(
        self, text: str, tokens: Tokens, segments: Sequence[TextSegment], offsets: Iterable[int]
    ) -> Iterator[int]:
        """The token position of each of the ascending character offsets, rounded down."""

        def segment_at(offset: int) -> int:
            return bisect_right(segments, offset, key=lambda segment: segment.start) - 1

        for index, group in groupby(offsets, segment_at):
            start, end, n_before = segments[index]
            n_after = segments[index + 1].n_before - 1 if index + 1 < len(segments) else len(tokens)
            inside = list(group)
            if inside[0] < end and inside[-1] > start:
                yield from self._places_inside(text[start:end], tokens[n_before:n_after], n_before, start, inside)
            else:
                yield from (n_before if offset < end else n_after for offset in inside)

    def _places_inside(
        self, text: str, tokens: Tokens, n_before: int, start: int, offsets: Iterable[int]
    ) -> Iterator[int]:
        """The same for offsets in and behind one text, whose first character and token are `start` and `n_before`."""
        pieces = self._piece_bytes(tokens)
        # a vocabulary may put a space before each text; other differences mean that bytes cannot be compared
        n_bytes = n_added = int(pieces[-1]) - len(text.encode()) if len(pieces) else -1
        done = 0
        for offset in offsets:
            n_bytes += len(text[done : offset - start].encode())
            done = offset - start
            if done >= len(text):
                yield n_before + len(tokens)
            elif done == 0 or n_added not in (0, 1):
                yield n_before
            else:
                yield n_before + int(np.searchsorted(pieces, n_bytes, side="right"))

    def _piece_bytes(self, tokens: Tokens) -> Tokens:
        """Bytes of all tokens up to and with each."""
        for token in np.unique(tokens).tolist():
            if self._n_piece_bytes[token] < 0:
                self._n_piece_bytes[token] = len(self._vocabulary.piece(token))
        return np.cumsum(self._n_piece_bytes[tokens], dtype=np.int32)
