"""What a call may hold, and how it is split into physical batches."""

import numpy as np
from numpy.typing import NDArray

from segue.engine.base import Chunk

UBatch = list[tuple[int, int, int]]
"""Parts `(number, first, last)` of the chunks of a call."""


def split(chunks: list[Chunk], n_ubatch: int) -> list[UBatch]:
    """Physical batches as they come."""
    ubatches: list[UBatch] = []
    room = 0
    for number, chunk in enumerate(chunks):
        first = 0
        while first < len(chunk.inputs):
            if not room:
                ubatches.append([])
                room = n_ubatch
            last = min(len(chunk.inputs), first + room)
            ubatches[-1].append((number, first, last))
            room -= last - first
            first = last
    return ubatches


def split_equally(chunks: list[Chunk], n_ubatch: int) -> list[UBatch]:
    """Physical batches with equally many tokens of each sequence in them."""
    done = [0] * len(chunks)
    ubatches = []
    while active := [i for i, chunk in enumerate(chunks) if done[i] < len(chunk.inputs)][:n_ubatch]:
        n = min(n_ubatch // len(active), *(len(chunks[i].inputs) - done[i] for i in active))
        ubatches.append([(i, done[i], done[i] + n) for i in active])
        for i in active:
            done[i] += n
    return ubatches


def require_batch(chunks: list[Chunk], n_batch: int, n_rows_max: int, n_embd: int) -> None:
    """Raise ValueError for a call that libllama does not take."""
    n_inputs = [len(chunk.inputs) for chunk in chunks]
    if not all(n_inputs) or not 0 < sum(n_inputs) <= n_batch:
        raise ValueError(f"a batch holds 1 to {n_batch} inputs")
    if len({chunk.inputs.ndim for chunk in chunks}) > 1:
        raise ValueError("a batch holds tokens or embeddings, not both")
    if any(chunk.inputs.ndim == 2 and chunk.inputs.shape[1] != n_embd for chunk in chunks):
        raise ValueError(f"a batch of embeddings needs {n_embd} floats each")
    if sum(len(chunk.offsets()) for chunk in chunks) > n_rows_max:
        raise ValueError(f"a batch has at most {n_rows_max} rows of logits")
    for chunk, n in zip(chunks, n_inputs, strict=True):
        if chunk.positions is not None:
            chunk.positions.require(n)
    if len({chunk.seq for chunk in chunks}) < len(chunks):
        raise ValueError("a sequence is read twice in one batch")


def places(
    ubatch: UBatch,
    chunks: list[Chunk],
    positions: list[NDArray[np.int64]],
    stream: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions and sequences of the tokens of a physical batch, of one stream only if it is named."""
    parts = [part for part in ubatch if stream is None or chunks[part[0]].seq == stream]
    pos = [positions[number][first:last] for number, first, last in parts]
    seqs = [np.full(last - first, chunks[number].seq) for number, first, last in parts]
    nothing = np.empty(0, np.int64)
    return np.concatenate((nothing, *pos)), np.concatenate((nothing, *seqs))
