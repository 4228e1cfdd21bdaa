"""A path with all of its checkpoints, as arrays that can be written to a file and unpacked elsewhere."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from segue.engine.base import Engine, Tokens
from segue.engine.cells import Bytes, Cells
from segue.engine.fingerprint import differences
from segue.homes.entry import Entry
from segue.homes.space import Space
from segue.state.checkpoint import Origin
from segue.state.match import deepest
from segue.state.tree import Tree


class ParcelError(Exception):
    """Arrays that are no parcel, or one of another model; the message says why."""


@dataclass(frozen=True, slots=True)
class Packed:
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
class Parcel:
    """`tokens` from position 0, runs of attention cells that follow one another, and checkpoints with their arrays."""

    fingerprint: Mapping[str, str]
    tokens: Tokens
    cells: tuple[Cells, ...]
    checkpoints: tuple[tuple[Packed, tuple[Bytes, ...]], ...]

    def arrays(self) -> list[Bytes]:
        """All of it as arrays; `parse` takes them back."""
        packed = [asdict(one) for one, _ in self.checkpoints]
        spans = [(cells.start, cells.end) for cells in self.cells]
        head = json.dumps({"fingerprint": dict(self.fingerprint), "cells": spans, "checkpoints": packed}).encode()
        found = [np.frombuffer(head, np.uint8), np.ascontiguousarray(self.tokens, "<i4").view(np.uint8)]
        found += [cells.data for cells in self.cells]
        return found + [array for _, arrays in self.checkpoints for array in arrays]


def parse(arrays: Sequence[Bytes], fingerprint: Mapping[str, str]) -> Parcel:
    """Take arrays back. Raises ParcelError if they were packed under another fingerprint, or are no parcel."""
    try:
        head = json.loads(arrays[0].tobytes())
        left = iter(arrays[2:])
        tokens = np.frombuffer(arrays[1].tobytes(), "<i4").astype(np.int32)
        cells = tuple(Cells(next(left), start, end) for start, end in head["cells"])
        packed = [Packed(**one) for one in head["checkpoints"]]
        checkpoints = tuple((one, tuple(next(left) for _ in range(one.has_blob + one.has_logits))) for one in packed)
        found = dict(head["fingerprint"])
        if not all(0 < one.n_tokens <= len(tokens) for one in packed):
            raise ValueError("a checkpoint stands beside the path")
    except (ValueError, TypeError, KeyError, IndexError, RuntimeError) as error:
        raise ParcelError("the file holds no saved slot") from error
    if found != dict(fingerprint):
        raise ParcelError(f"the slot was saved under other conditions: {differences(found, fingerprint)}")
    return Parcel(found, tokens, cells, checkpoints)


def pack(space: Space, tree: Tree[Entry], tokens: Tokens, fingerprint: Mapping[str, str]) -> Parcel:
    """Copy what is known of a path: all of its checkpoints that are not on disk alone. Changes nothing that is kept."""
    found = [c for c in deepest(tree.match(tokens), len(tokens)) if space.coverage.is_near(c)][::-1]
    n_tokens = found[-1].n_tokens if found else 0
    cells: tuple[Cells, ...] = ()
    if found and space.copies.layout.is_chained:
        cells = tuple(_cells(space, found[-1]))
    checkpoints = tuple((_packed(space, c), tuple(_arrays(space, c))) for c in found)
    return Parcel(fingerprint, tokens[:n_tokens].copy(), cells, checkpoints)


def unpack(space: Space, tree: Tree[Entry], parcel: Parcel) -> int:
    """Make a parcel's checkpoints known, as far as the host has room.

    How many tokens the deepest one stands at that is there in the end: for some, others of them may have had to go.
    Raises DamagedError for a checkpoint with other arrays than it must have.
    """
    chains, is_chained = space.copies.chains, space.copies.layout.is_chained
    link, n_held = chains.find(tree, parcel.tokens)
    chains.hold(link)
    try:
        for cells in parcel.cells if is_chained else ():
            if cells.end <= n_held:
                continue
            cells = _from(space.engine, cells, n_held)
            if not space.host_room(cells.n_bytes):
                break
            new = chains.add(link, cells.start, parcel.tokens[cells.start : cells.end], cells)
            chains.hold(new)
            chains.release(link)
            link, n_held = new, cells.end
        for packed, arrays in parcel.checkpoints:
            is_held = not is_chained or packed.n_tokens <= n_held
            path = parcel.tokens[: packed.n_tokens]
            if is_held and tree.at(path) is None and space.host_room(sum(array.nbytes for array in arrays)):
                checkpoint = _unpacked(space, tree, packed)
                space.copies.take_back(checkpoint, arrays)
                tree.attach(checkpoint, path)
                if is_chained:
                    space.copies.adopt(checkpoint)
    finally:
        chains.release(link)
    ends = (packed.n_tokens for packed, _ in parcel.checkpoints)
    return max((n for n in ends if tree.at(parcel.tokens[:n]) is not None), default=0)


def _cells(space: Space, checkpoint: Entry) -> Iterable[Cells]:
    seq = checkpoint.seq if checkpoint.is_parked else space.coverage.seq_over(checkpoint)
    if seq is not None:
        yield space.engine.save_cells(seq, 0, checkpoint.n_tokens, space.scratch)
        return
    assert checkpoint.link is not None
    for link, end in checkpoint.link.chain(checkpoint.n_linked):
        assert link.cells is not None
        yield link.cells if end == link.end else space.engine.cut(link.cells, end)


def _from(engine: Engine, cells: Cells, start: int) -> Cells:
    return cells if cells.start >= start else engine.cut(cells, cells.end, start)


def _packed(space: Space, checkpoint: Entry) -> Packed:
    return Packed(
        n_tokens=checkpoint.n_tokens,
        pos_min=checkpoint.pos_min,
        pos_max=checkpoint.pos_max,
        origin=checkpoint.origin.value,
        pinned=checkpoint.pinned,
        cuts=None if checkpoint.cuts is None else str(checkpoint.cuts),
        has_blob=space.copies.layout.needs_blob,
        has_logits=checkpoint.logits is not None,
    )


def _arrays(space: Space, checkpoint: Entry) -> Iterable[Bytes]:
    if checkpoint.blob is not None:
        yield checkpoint.blob.data
    elif space.copies.layout.needs_blob:
        yield space.engine.save(checkpoint.seq, partial=space.copies.layout.is_chained).data
    if checkpoint.logits is not None:
        yield checkpoint.logits.view(np.uint8)


def _unpacked(space: Space, tree: Tree[Entry], packed: Packed) -> Entry:
    now = space.clock()
    return Entry(
        tree=tree,
        layout=space.copies.layout,
        n_tokens=packed.n_tokens,
        pos_min=packed.pos_min,
        pos_max=packed.pos_max,
        origin=Origin(packed.origin),
        created=now,
        last_used=now,
        pinned=packed.pinned,
        cuts=None if packed.cuts is None else int(packed.cuts),
    )
