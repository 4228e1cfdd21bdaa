"""Copies the cached checkpoints of a path out of the cache, and back into a cache."""

import logging
from collections.abc import Iterable, Mapping, Sequence

from segue.cache.entries.arrays import entry_to_arrays
from segue.cache.entries.entry import Entry
from segue.cache.eviction import Evictor
from segue.cache.snapshot import SlotSnapshot, SnapshotEntry, SnapshotError, parse
from segue.cache.tiers.path_fetch import fetch_path
from segue.engine.base import Engine, Tokens
from segue.engine.state import Bytes, Cells
from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import descendants
from segue.prefix.loss import Loss
from segue.prefix.match import deepest
from segue.prefix.tree import Tree

log = logging.getLogger("segue.cache")

_WHY_FAR = "the memory of --cache-ram is too small or in use, or the disk cannot be read"


class SlotSnapshots:
    """Packs, unpacks and erases the checkpoints of a path. Belongs to the engine's thread, but for `parse`."""

    def __init__(self, evictor: Evictor, fingerprint: Mapping[str, str]) -> None:
        self._evictor = evictor
        self._fingerprint = fingerprint

    def pack(self, namespace: str, tokens: Tokens) -> SlotSnapshot | None:
        """Copy all checkpoints of a path; None while some are still being fetched from the lower tier.

        If the host has no room for all of them, or a fetch fails, copies as many of the deepest as it can and logs a
        warning. Raises SnapshotError if the path has checkpoints and none of them can be copied.
        """
        tree = self._evictor.entries.tree(namespace)
        path = list(deepest(tree.match(tokens), len(tokens)))
        if fetch_path(self._evictor, self._evictor.lower, path):
            return None
        snapshot = _pack(self._evictor, tree, tokens, self._fingerprint)
        n_missing = len(path) - len(snapshot.checkpoints)
        if n_missing and not snapshot.checkpoints:
            raise SnapshotError(f"all checkpoints of the slot are on disk and cannot be fetched: {_WHY_FAR}")
        if n_missing:
            n_tokens, n_all = len(snapshot.tokens), path[0].n_tokens
            log.warning(
                "a slot is saved up to token %d of %d, without %d of its %d checkpoints, which are only on disk: %s",
                *(n_tokens, n_all, n_missing, len(path), _WHY_FAR),
            )
        return snapshot

    def parse(self, arrays: Sequence[Bytes]) -> SlotSnapshot:
        """Parse the arrays of a snapshot; any thread. Raises SnapshotError if they cannot be used with this model."""
        return parse(arrays, self._fingerprint)

    def unpack(self, namespace: str, snapshot: SlotSnapshot) -> int:
        """Add a snapshot's checkpoints to the cache as room allows; returns the token count of the deepest one added.

        Raises DamagedError if the arrays of a checkpoint have the wrong number or sizes.
        """
        tree = self._evictor.entries.tree(namespace)
        n_tokens = _unpack(self._evictor, tree, snapshot)
        for entry in deepest(tree.match(snapshot.tokens), len(snapshot.tokens)):
            self._evictor.lower.put(entry, self._evictor.host)
        return n_tokens

    def erase(self, namespace: str, tokens: Tokens) -> int:
        """Drop the checkpoints at the end of a path that no other path extends; returns how many tokens are lost."""
        evictor = self._evictor
        kept: Entry | None = None
        n_erased = 0
        for entry in list(deepest(evictor.entries.tree(namespace).match(tokens), len(tokens))):
            if not entry.is_attached:
                continue  # it was evicted together with a deeper checkpoint
            if next(descendants(entry), None) is not None or evictor.in_use.has_copies_in_use(entry):
                kept = entry
                break
            n_erased = max(n_erased, entry.n_tokens)
            evictor.remove(entry, Loss.EVICTED)
        return max(0, n_erased - (kept.n_tokens if kept else 0))


def _pack(evictor: Evictor, tree: Tree[Entry], tokens: Tokens, fingerprint: Mapping[str, str]) -> SlotSnapshot:
    """Copy all checkpoints of a path except those that would have to be fetched. Does not change the cache."""
    found = [c for c in deepest(tree.match(tokens), len(tokens)) if evictor.device.owners.is_near(c)][::-1]
    n_tokens = found[-1].n_tokens if found else 0
    cells: tuple[Cells, ...] = ()
    if found and evictor.host.layout.is_segmented:
        cells = tuple(_cells(evictor, found[-1]))
    checkpoints = tuple(_packed(evictor, c) for c in found)
    return SlotSnapshot(fingerprint, tokens[:n_tokens].copy(), cells, checkpoints)


def _unpack(evictor: Evictor, tree: Tree[Entry], snapshot: SlotSnapshot) -> int:
    """Add a snapshot's checkpoints to the cache, as far as the host has room.

    Returns the token count of the deepest one that is there at the end: adding some of them may evict others.
    Raises DamagedError if the arrays of a checkpoint have the wrong number or sizes.
    """
    chains, is_segmented = evictor.host.segments, evictor.host.layout.is_segmented
    segment, n_held = chains.find(tree, snapshot.tokens)
    chains.hold(segment)
    try:
        for cells in snapshot.cells if is_segmented else ():
            if cells.end <= n_held:
                continue
            cells = _from(evictor.device.engine, cells, n_held)
            if not evictor.host_room(cells.n_bytes):
                break
            new = chains.add(segment, cells.start, snapshot.tokens[cells.start : cells.end], cells)
            chains.hold(new)
            chains.release(segment)
            segment, n_held = new, cells.end
        for packed, arrays in snapshot.checkpoints:
            is_held = not is_segmented or packed.n_tokens <= n_held
            path = snapshot.tokens[: packed.n_tokens]
            if is_held and tree.at(path) is None and evictor.host_room(sum(array.nbytes for array in arrays)):
                entry = _unpacked(evictor, tree, packed)
                evictor.host.bring_back(entry, arrays)
                tree.attach(entry, path)
                if is_segmented:
                    evictor.host.adopt(entry)
    finally:
        chains.release(segment)
    ends = (packed.n_tokens for packed, _ in snapshot.checkpoints)
    return max((n for n in ends if tree.at(snapshot.tokens[:n]) is not None), default=0)


def _cells(evictor: Evictor, entry: Entry) -> Iterable[Cells]:
    seq = evictor.device.owners.source(entry)
    if seq is not None:
        yield evictor.device.engine.save_cells(seq, 0, entry.n_tokens, evictor.device.scratch)
        return
    assert entry.segment is not None
    for segment, end in entry.segment.chain(entry.n_covered):
        assert segment.cells is not None
        yield segment.cells if end == segment.end else evictor.device.engine.cut(segment.cells, end)


def _from(engine: Engine, cells: Cells, start: int) -> Cells:
    return cells if cells.start >= start else engine.cut(cells, cells.end, start)


def _packed(evictor: Evictor, entry: Entry) -> tuple[SnapshotEntry, tuple[Bytes, ...]]:
    state, layout = entry.state, evictor.host.layout
    if state is None and layout.needs_state:
        state = evictor.device.engine.save(entry.seq, partial=layout.is_segmented)
    arrays = tuple(entry_to_arrays(state, entry.logits))
    packed = SnapshotEntry(
        n_tokens=entry.n_tokens,
        pos_min=entry.pos_min,
        pos_max=entry.pos_max,
        origin=entry.origin.value,
        pinned=entry.pinned,
        positions_digest=None if entry.positions_digest is None else str(entry.positions_digest),
        n_arrays=len(arrays),
    )
    return packed, arrays


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
        positions_digest=None if packed.positions_digest is None else int(packed.positions_digest),
    )
