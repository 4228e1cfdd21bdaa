"""Brings vectors to a common length."""

import numpy as np

from segue.engine.base import Embeddings

NONE = -1
INT16 = 0
_MOST_INT16 = 32760.0


def normalized(rows: Embeddings, kind: int) -> Embeddings:
    """Rows of one length, as llama-server's `embd_normalize` says it.

    -1 leaves them, 0 brings the largest value to 32,760, 2 the Euclidean norm to 1, another p the p-norm. Rows of
    zeros stay.
    """
    if kind == NONE:
        return rows
    sizes = np.abs(rows.astype(np.float64))
    if kind == INT16:
        norms = sizes.max(axis=1, keepdims=True) / _MOST_INT16
    else:
        norms = (sizes**kind).sum(axis=1, keepdims=True) ** (1 / kind)
    return (rows / np.where(norms > 0, norms, 1)).astype(np.float32)
