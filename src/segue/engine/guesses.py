"""Guesses several tokens in a row: each comes from the one before it, for all sequences in the same calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np

from segue.engine.base import Tokens
from segue.engine.mtp_context import MtpContext, Piece


@dataclass(frozen=True, slots=True)
class GuessRequest:
    """Up to `n_most` tokens are wanted that may follow `path`, all of whose tokens but the last are known to `seq`."""

    seq: int
    path: Tokens = field(repr=False)
    n_most: int


@dataclass(slots=True, eq=False)
class Guess:
    """Tokens that may come next, and the probability of each if those before it are right."""

    tokens: list[int] = field(default_factory=list, repr=False)
    probabilities: list[float] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Course:
    """A guess that is to have `n_most` tokens; the next call reads `piece`."""

    piece: Piece
    n_most: int
    guess: Guess

    def advance(self, context: MtpContext, i: int) -> None:
        """Take the likeliest token after token `i` of the last call, which the next call reads."""
        token, probability, row = context.best(i)
        self.guess.tokens.append(token)
        self.guess.probabilities.append(probability)
        pos = self.piece.pos + len(self.piece.tokens)
        self.piece = Piece(self.piece.seq, pos, np.array([token], np.int32), row[None], wants_logits=True)


def advance(context: MtpContext, courses: Sequence[Course], is_eog: Callable[[int], bool]) -> None:
    """Guess all tokens; fewer where one ends the reply, or the context has no more room."""
    while courses and context.read([course.piece for course in courses]):
        ends = list(accumulate(len(course.piece.tokens) for course in courses))
        for course, end in zip(courses, ends, strict=True):
            course.advance(context, end - 1)
        courses = [
            course
            for course in courses
            if len(course.guess.tokens) < course.n_most and not is_eog(course.guess.tokens[-1])
        ]
