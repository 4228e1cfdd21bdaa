"""A path with all of its checkpoints, as arrays that can be written to a file and read elsewhere."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from segue.engine.base import Tokens
from segue.engine.cells import Bytes, Cells
from segue.storage.fingerprints import differences


class SnapshotError(Exception):
    """The arrays are not a snapshot, or belong to another model; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotEntry:
    """The metadata of one checkpoint. `has_blob` and `has_logits` say which of its arrays follow."""

    n_tokens: int
    pos_min: int
    pos_max: int
    origin: str
    pinned: bool
    positions_digest: str | None
    has_blob: bool
    has_logits: bool


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
        spans = [(cells.start, cells.end) for cells in self.cells]
        head = json.dumps({"fingerprint": dict(self.fingerprint), "cells": spans, "checkpoints": packed}).encode()
        found = [np.frombuffer(head, np.uint8), np.ascontiguousarray(self.tokens, "<i4").view(np.uint8)]
        found += [cells.data for cells in self.cells]
        return found + [array for _, arrays in self.checkpoints for array in arrays]


def parse(arrays: Sequence[Bytes], fingerprint: Mapping[str, str]) -> SlotSnapshot:
    """Parse arrays. Raises SnapshotError if they were packed under another fingerprint or are not a snapshot."""
    try:
        head = json.loads(arrays[0].tobytes())
        left = iter(arrays[2:])
        tokens = np.frombuffer(arrays[1].tobytes(), "<i4").astype(np.int32)
        cells = tuple(Cells(next(left), start, end) for start, end in head["cells"])
        packed = [SnapshotEntry(**one) for one in head["checkpoints"]]
        checkpoints = tuple((one, tuple(next(left) for _ in range(one.has_blob + one.has_logits))) for one in packed)
        found = dict(head["fingerprint"])
        if not all(0 < one.n_tokens <= len(tokens) for one in packed):
            raise ValueError("a checkpoint lies beyond the path")
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        raise SnapshotError("the file holds no saved slot") from error
    if found != dict(fingerprint):
        raise SnapshotError(f"the slot was saved under another fingerprint: {differences(found, fingerprint)}")
    return SlotSnapshot(found, tokens, cells, checkpoints)
