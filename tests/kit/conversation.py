"""Conversations as token ids, rendered as ChatML would be, with the marks that a chat template gives."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.policy.prompt_marks import PromptMarks

Tokens = NDArray[np.int32]

_START, _END, _NEWLINE = 257, 258, 10
_ROLES = {"system": 115, "user": 117, "assistant": 97}
_THINK = 259
N_HEADER = 3


@dataclass(frozen=True)
class Prompt:
    """A rendered prompt; `ends` are the message ends."""

    tokens: Tokens
    marks: PromptMarks

    @property
    def n(self) -> int:
        """Tokens."""
        return len(self.tokens)

    @property
    def ends(self) -> tuple[int, ...]:
        """Message ends."""
        return self.marks.message_ends


def text(seed: int, n: int) -> Tokens:
    """Text of `n` byte tokens that is the same for the same seed."""
    return np.random.default_rng(seed).integers(0, 256, n).astype(np.int32)


def message(role: str, content: Tokens) -> Tokens:
    """One rendered message."""
    return np.concatenate([[_START, _ROLES[role], _NEWLINE], content, [_END, _NEWLINE]]).astype(np.int32)


def chat(*turns: tuple[str, Tokens], volatile_at: int | None = None) -> Prompt:
    """Render messages and the generation suffix, which no message in a history begins with.

    `volatile_at` is an offset into the first message's content.
    """
    rendered = [message(role, content) for role, content in turns]
    ends = tuple(int(n) for n in np.cumsum([len(part) for part in rendered]))
    suffix = np.array([_START, _ROLES["assistant"], _NEWLINE, _THINK], np.int32)
    n_stable = 1 if turns[0][0] == "system" else 0
    volatile = () if volatile_at is None else (3 + volatile_at,)
    return Prompt(np.concatenate([*rendered, suffix]), PromptMarks(ends, volatile, (), n_stable))


def raw(*parts: Tokens) -> Prompt:
    """A prompt without messages."""
    return Prompt(np.concatenate(parts).astype(np.int32), PromptMarks())
