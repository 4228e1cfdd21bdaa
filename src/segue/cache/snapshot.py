"""A path with all of its checkpoints, as arrays that can be written to a file and read elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice

import numpy as np

from segue.cache.entries.arrays import cells_from_arrays, cells_to_arrays
from segue.engine.base import Tokens
from segue.engine.state import Bytes, Cells
from segue.storage.fingerprints import differences


class SnapshotError(Exception):
    """The arrays are not a snapshot, or belong to another model; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEntry:
    """The metadata of one checkpoint, of which `n_arrays` follow."""

    n_tokens: int
    pos_min: int
    pos_max: int
    origin: str
    pinned: bool
    positions_digest: str | None
    n_arrays: int


@dataclass(frozen=True, slots=True)
class SlotSnapshot:
    """A path's `tokens` from position 0, its consecutive runs of attention cells, and its checkpoints with arrays."""

    fingerprint: Mapping[str, str]
    tokens: Tokens
    cells: tuple[Cells, ...]
    checkpoints: tuple[tuple[SnapshotEntry, tuple[Bytes, ...]], ...]

    def arrays(self) -> list[Bytes]:
        """The whole snapshot as arrays, which `parse` reads back."""
        packed = [asdict(one) for one, _ in self.checkpoints]
        runs = [cells_to_arrays(cells) for cells in self.cells]
        n_arrays = [len(arrays) for arrays in runs]
        head = json.dumps({"fingerprint": dict(self.fingerprint), "cells": n_arrays, "checkpoints": packed}).encode()
        found = [np.frombuffer(head, np.uint8), np.ascontiguousarray(self.tokens, "<i4").view(np.uint8)]
        return found + [array for arrays in (*runs, *(own for _, own in self.checkpoints)) for array in arrays]


def parse(arrays: Sequence[Bytes], fingerprint: Mapping[str, str]) -> SlotSnapshot:
    """Parse arrays. Raises SnapshotError if they were packed under another fingerprint or are not a snapshot."""
    try:
        head = json.loads(arrays[0].tobytes())
        left = iter(arrays[2:])
        tokens = np.frombuffer(arrays[1].tobytes(), "<i4").astype(np.int32)
        cells = tuple(cells_from_arrays(list(islice(left, n))) for n in head["cells"])
        packed = [SnapshotEntry(**one) for one in head["checkpoints"]]
        checkpoints = tuple((one, tuple(islice(left, one.n_arrays))) for one in packed)
        found = dict(head["fingerprint"])
        if not all(0 < one.n_tokens <= len(tokens) for one in packed):
            raise ValueError("a checkpoint lies beyond the path")
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise SnapshotError("the file holds no saved slot") from error
    if found != dict(fingerprint):
        raise SnapshotError(f"the slot was saved under another fingerprint: {differences(found, fingerprint)}")
    return SlotSnapshot(found, tokens, cells, checkpoints)
