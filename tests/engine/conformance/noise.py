"""How far logits move on this device though nothing is copied or restored."""

from itertools import pairwise

import numpy as np

from segue.engine.base import LAST_ROW, Chunk, Engine, Logits, Tokens
from tests.engine.conformance.subject import N_BATCH, text

_N_READ, _N_TAIL = 90, 12
_PIECES = (64, 20, 5, 1)


def noise(engine: Engine) -> float:
    """The largest change of a logit, as a fraction of the largest, where batches are cut elsewhere and cells lie
    elsewhere: a GPU with arithmetic in 16 bits computes one token with other kernels than many.

    All sequences must be empty, and are again.
    """
    path = text(1, _N_READ + _N_TAIL)
    wanted = _read(engine, path, N_BATCH)
    moved = 0.0
    for other, n_piece in enumerate(_PIECES):
        engine.decode([Chunk(1, text(20 + other, N_BATCH - other))])
        moved = max(moved, float(np.abs(_read(engine, path, n_piece) - wanted).max()))
    engine.drop(1)
    return moved / float(np.abs(wanted).max())


def _read(engine: Engine, path: Tokens, n_piece: int) -> Logits:
    """Read a path, its tail in pieces; the logits after it."""
    bounds = [*range(0, _N_READ, N_BATCH), *range(_N_READ, len(path), n_piece), len(path)]
    for start, end in pairwise(bounds):
        rows = engine.decode([Chunk(0, path[start:end], LAST_ROW)])
    found = engine.logits(rows[0][0]).copy()
    engine.drop(0)
    return found
