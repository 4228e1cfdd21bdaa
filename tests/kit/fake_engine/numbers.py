"""The numbers of the simulated model: what a token leaves behind is a hash of all that it sees.

It sees each cell of its sequence at an earlier position, the window's cells and the recurrent state. A gap, a foreign
cell, a stale or a doubled one thus changes every logit after it, for ever.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np

from segue.engine.base import Logits

N_VOCAB: Final = 32
END_OF_REPLY: Final = N_VOCAB - 1
N_SWA: Final = 8

_MASK: Final = (1 << 64) - 1


def value_of(position: int, token: int, everything: int, window: int, recurrent: int) -> int:
    return mix(mix(mix(mix(position, token), everything), window), recurrent)


def mix(a: int, b: int) -> int:
    """A well-mixed number of 64 bits of two numbers."""
    x = (a * 0x9E3779B97F4A7C15 + b + 0x632BE59BD9B4E019) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def logits_of(value: int) -> Logits:
    mixed = np.array([mix(value, token) >> 40 for token in range(N_VOCAB)], np.float32)
    return mixed / np.float32(1 << 21)


def greedy(logits: Logits, *, ignore_eos: bool) -> int:
    allowed: Sequence[float] | Logits = logits[:END_OF_REPLY] if ignore_eos else logits
    return int(np.argmax(allowed))
