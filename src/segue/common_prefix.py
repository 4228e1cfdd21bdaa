"""The common prefix of two texts."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]

_N_CHUNK: Final = 1 << 10
_N_CHUNK_MOST: Final = 1 << 16


def n_equal(a: Tokens, b: Tokens) -> int:
    """The length of the common prefix of `a` and `b`. Takes time in that length; copies nothing."""
    n = min(len(a), len(b))
    i, n_chunk = 0, _N_CHUNK
    while i < n:
        j = min(i + n_chunk, n)
        differs = a[i:j] != b[i:j]
        first = int(differs.argmax())
        if differs[first]:
            return i + first
        i, n_chunk = j, min(4 * n_chunk, _N_CHUNK_MOST)
    return n
