"""Chooses the checkpoint positions of reproducible mode, and digests them."""

from collections.abc import Iterable

from segue.policy.checkpoint_positions import Position
from segue.policy.prompt_marks import PromptMarks
from segue.prefix.checkpoint import Origin

_N_STRIDE = 4096
_DIGEST_BASE = 0x1F3D5B79A2C4E681
_DIGEST_MODULUS = (1 << 61) - 1


def reproducible_positions(marks: PromptMarks, n_prompt: int) -> tuple[Position, ...]:
    """The positions of reproducible mode, from the prompt alone: message ends, fixed multiples, the prompt's end.

    A prompt that extends another prompt at one of its message ends has the same positions up to that end.
    """
    named = dict.fromkeys(range(_N_STRIDE, n_prompt, _N_STRIDE), Origin.STRIDE)
    named |= dict.fromkeys(marks.message_ends, Origin.MESSAGE_END)
    named[n_prompt] = Origin.PROMPT_END
    return tuple(Position(n, origin) for n, origin in sorted(named.items()))


def positions_digests(placed: Iterable[Position]) -> dict[int, int]:
    """For each checkpoint position, a digest of all positions up to and including it, the same in every process."""
    digest = 0
    result = {}
    for position in placed:
        digest = (digest * _DIGEST_BASE + position.n_tokens) % _DIGEST_MODULUS
        result[position.n_tokens] = digest
    return result
