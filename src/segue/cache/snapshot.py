"""A path with all of its checkpoints, as arrays that can be written to a file and unpacked elsewhere."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor
from segue.engine.base import Engine, Tokens
from segue.engine.cells import Bytes, Cells
from segue.engine.fingerprint import differences
from segue.prefix.checkpoint import Origin
from segue.prefix.match import deepest
from segue.prefix.tree import Tree


class SnapshotError(Exception):
    """Arrays that are no parcel, or one of another model; the message says why."""


@dataclass(frozen=True, slots=True)
class SnapshotEntry:
    """What is told of one checkpoint. `has_blob` and `has_logits` say which of its arrays follow."""

    n_tokens: int
    pos_min: int
    pos_max: int
    origin: str
    pinned: bool
    cuts: str | None
    has_blob: bool
    has_logits: bool


@dataclass(frozen=True, slots=True)
class SlotSnapshot:
    """`tokens` from position 0, runs of attention cells that follow one another, and checkpoints with their arrays."""

    fingerprint: Mapping[str, str]
    tokens: Tokens
    cells: tuple[Cells, ...]
    checkpoints: tuple[tuple[SnapshotEntry, tuple[Bytes, ...]], ...]

    def arrays(self) -> list[Bytes]:
        """All of it as arrays; `parse` takes them back."""
        packed = [asdict(one) for one, _ in self.checkpoints]
        spans = [(cells.start, cells.end) for cells in self.cells]
        head = json.dumps({"fingerprint": dict(self.fingerprint), "cells": spans, "checkpoints": packed}).encode()
        found = [np.frombuffer(head, np.uint8), np.ascontiguousarray(self.tokens, "<i4").view(np.uint8)]
        found += [cells.data for cells in self.cells]
        return found + [array for _, arrays in self.checkpoints for array in arrays]


def parse(arrays: Sequence[Bytes], fingerprint: Mapping[str, str]) -> SlotSnapshot:
    """Take arrays back. Raises SnapshotError if they were packed under another fingerprint, or are no parcel."""
    try:
        head = json.loads(arrays[0].tobytes())
        left = iter(arrays[2:])
        tokens = np.frombuffer(arrays[1].tobytes(), "<i4").astype(np.int32)
        cells = tuple(Cells(next(left), start, end) for start, end in head["cells"])
        packed = [SnapshotEntry(**one) for one in head["checkpoints"]]
        checkpoints = tuple((one, tuple(next(left) for _ in range(one.has_blob + one.has_logits))) for one in packed)
        found = dict(head["fingerprint"])
        if not all(0 < one.n_tokens <= len(tokens) for one in packed):
            raise ValueError("a checkpoint stands beside the path")
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        raise SnapshotError("the file holds no saved slot") from error
    if found != dict(fingerprint):
        raise SnapshotError(f"the slot was saved under other conditions: {differences(found, fingerprint)}")
    return SlotSnapshot(found, tokens, cells, checkpoints)


def pack(evictor: Evictor, tree: Tree[Entry], tokens: Tokens, fingerprint: Mapping[str, str]) -> SlotSnapshot:
    """Copy what is known of a path: all of its checkpoints that are not on disk alone. Changes nothing that is kept."""
    found = [c for c in deepest(tree.match(tokens), len(tokens)) if evictor.device.owners.is_near(c)][::-1]
    n_tokens = found[-1].n_tokens if found else 0
    cells: tuple[Cells, ...] = ()
    if found and evictor.host.layout.is_segmented:
        cells = tuple(_cells(evictor, found[-1]))
    checkpoints = tuple((_packed(evictor, c), tuple(_arrays(evictor, c))) for c in found)
    return SlotSnapshot(fingerprint, tokens[:n_tokens].copy(), cells, checkpoints)


def unpack(evictor: Evictor, tree: Tree[Entry], parcel: SlotSnapshot) -> int:
    """Make a parcel's checkpoints known, as far as the host has room.

    How many tokens the deepest one stands at that is there in the end: for some, others of them may have had to go.
    Raises DamagedError for a checkpoint with other arrays than it must have.
    """
    chains, is_segmented = evictor.host.segments, evictor.host.layout.is_segmented
    segment, n_held = chains.find(tree, parcel.tokens)
    chains.hold(segment)
    try:
        for cells in parcel.cells if is_segmented else ():
            if cells.end <= n_held:
                continue
            cells = _from(evictor.device.engine, cells, n_held)
            if not evictor.host_room(cells.n_bytes):
                break
            new = chains.add(segment, cells.start, parcel.tokens[cells.start : cells.end], cells)
            chains.hold(new)
            chains.release(segment)
            segment, n_held = new, cells.end
        for packed, arrays in parcel.checkpoints:
            is_held = not is_segmented or packed.n_tokens <= n_held
            path = parcel.tokens[: packed.n_tokens]
            if is_held and tree.at(path) is None and evictor.host_room(sum(array.nbytes for array in arrays)):
                checkpoint = _unpacked(evictor, tree, packed)
                evictor.host.take_back(checkpoint, arrays)
                tree.attach(checkpoint, path)
                if is_segmented:
                    evictor.host.adopt(checkpoint)
    finally:
        chains.release(segment)
    ends = (packed.n_tokens for packed, _ in parcel.checkpoints)
    return max((n for n in ends if tree.at(parcel.tokens[:n]) is not None), default=0)


def _cells(evictor: Evictor, checkpoint: Entry) -> Iterable[Cells]:
    seq = evictor.device.owners.source(checkpoint)
    if seq is not None:
        yield evictor.device.engine.save_cells(seq, 0, checkpoint.n_tokens, evictor.device.scratch)
        return
    assert checkpoint.segment is not None
    for segment, end in checkpoint.segment.chain(checkpoint.n_covered):
        assert segment.cells is not None
        yield segment.cells if end == segment.end else evictor.device.engine.cut(segment.cells, end)


def _from(engine: Engine, cells: Cells, start: int) -> Cells:
    return cells if cells.start >= start else engine.cut(cells, cells.end, start)


def _packed(evictor: Evictor, checkpoint: Entry) -> SnapshotEntry:
    return SnapshotEntry(
        n_tokens=checkpoint.n_tokens,
        pos_min=checkpoint.pos_min,
        pos_max=checkpoint.pos_max,
        origin=checkpoint.origin.value,
        pinned=checkpoint.pinned,
        cuts=None if checkpoint.cuts is None else str(checkpoint.cuts),
        has_blob=evictor.host.layout.needs_blob,
        has_logits=checkpoint.logits is not None,
    )


def _arrays(evictor: Evictor, checkpoint: Entry) -> Iterable[Bytes]:
    if checkpoint.blob is not None:
        yield checkpoint.blob.data
    elif evictor.host.layout.needs_blob:
        yield evictor.device.engine.save(checkpoint.seq, partial=evictor.host.layout.is_segmented).data
    if checkpoint.logits is not None:
        yield checkpoint.logits.view(np.uint8)


def _unpacked(evictor: Evictor, tree: Tree[Entry], packed: SnapshotEntry) -> Entry:
    now = evictor.entries.clock()
    return Entry(
        tree=tree,
        layout=evictor.host.layout,
        n_tokens=packed.n_tokens,
        pos_min=packed.pos_min,
        pos_max=packed.pos_max,
        origin=Origin(packed.origin),
        created=now,
        last_used=now,
        pinned=packed.pinned,
        cuts=None if packed.cuts is None else int(packed.cuts),
    )
