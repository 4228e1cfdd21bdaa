"""A vocabulary of bytes in which some marks are control tokens, and replies drawn from it at random."""

import random
import re
from collections.abc import Mapping, Sequence

import numpy as np

from segue.chat.vocabulary import Tokens
from segue.grammar.compiler import Compiler
from segue.grammar.constraint import Constraint
from tests.kit.byte_vocabulary import BOS, EOS, ByteVocabulary


class Marked(ByteVocabulary):
    """Token n is byte n; above are `<s>`, `</s>` and the marks, of which those in `ends` end a reply."""

    def __init__(self, marks: Sequence[str] = (), ends: Sequence[str] = ()) -> None:
        self._marks = {"<s>": BOS, "</s>": EOS, **{mark: EOS + 1 + i for i, mark in enumerate(marks)}}
        self._split = re.compile("(" + "|".join(map(re.escape, self._marks)) + ")")
        self._texts = list(self._marks)
        self.n_tokens = BOS + len(self._marks)
        self.eog_tokens = frozenset(self._marks[end] for end in ("</s>", *ends))

    def special_pieces(self) -> Mapping[str, int]:
        return self._marks

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:  # noqa: ARG002
        ids: list[int] = []
        for part in self._split.split(text) if parse_special else [text]:
            ids += [self._marks[part]] if parse_special and part in self._marks else part.encode()
        return np.array(ids, np.int32)

    def piece(self, token: int) -> bytes:
        return bytes([token]) if token < BOS else self._texts[token - BOS].encode()


def draw(constraint: Constraint, vocabulary: Marked, closers: Sequence[str], rng: random.Random) -> str:
    """A random reply without the token that ends it. Now and then it writes one of `closers`, so that texts end."""
    mask, said = Compiler(vocabulary).compile(constraint)(), b""
    planned: list[int] = []
    for _ in range(4000):
        allowed = mask.choice().tokens(vocabulary.n_tokens).tolist()
        assert allowed, said
        ends = [token for token in allowed if vocabulary.is_eog(token)]
        if ends and (len(ends) == len(allowed) or rng.random() < 0.3):
            return said.decode()
        if not (planned and planned[0] in allowed):
            closer = rng.choice(closers) if rng.random() < 0.25 else ""
            planned = vocabulary.tokenize(closer, add_special=False, parse_special=True).tolist()
        if planned and planned[0] in allowed:
            token = planned.pop(0)
        else:
            plain = [t for t in allowed if t not in ends and (32 <= t < 127 or rng.random() < 0.05)]
            token = rng.choice(plain or [t for t in allowed if t not in ends])
        mask.accept(token)
        said += vocabulary.piece(token)
    raise AssertionError(f"no end: {said[-300:]!r}")
