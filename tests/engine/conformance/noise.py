"""How far logits move on this device though nothing is copied or restored."""

import numpy as np

from segue.engine.base import LAST_ROW, Chunk, Engine, Logits, Tokens
from tests.engine.conformance.subject import N_BATCH, Subject, text

_PIECES = (40, 20, 12, 1)
_N_PATHS = 3


def noise(engine: Engine) -> float:
    """The largest change of a logit, as a fraction of the largest, where batches are cut elsewhere and cells lie
    elsewhere: a GPU with arithmetic in 16 bits computes one token with other kernels than many.

    All sequences must be empty, and are again.
    """
    moved = 0.0
    for seed in range(_N_PATHS):
        path = text(seed, Subject.n_long(engine))
        wanted = _read(engine, path, N_BATCH)
        for n_piece in _PIECES:
            found = _read(engine, path, n_piece, n_between=7)
            moved = max(moved, float(np.abs(found - wanted).max() / np.abs(wanted).max()))
    return moved


def _read(engine: Engine, path: Tokens, n_piece: int, n_between: int = 0) -> Logits:
    """Read a path in pieces, with cells of others between them that come and go; the logits after it."""
    for number, start in enumerate(range(0, len(path), n_piece)):
        if n_between:
            other = 1 + number % 2
            engine.drop(other)
            engine.decode([Chunk(other, text(number, n_between * (1 + number % 3)))])
        rows = engine.decode([Chunk(0, path[start : start + n_piece], LAST_ROW)])
    found = engine.logits(rows[0][0]).copy()
    for seq in range(3):
        engine.drop(seq)
    return found
