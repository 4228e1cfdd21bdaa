"""Converts entries into the rows by which a lower tier finds them again, and rows into entries."""

import logging
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from segue.cache.entries.entry import Entry, Layout
from segue.cache.entries.segment import Segment
from segue.cache.tiers.lower import UpperTiers
from segue.engine.base import Tokens
from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import tokens_of
from segue.prefix.tree import Tree
from segue.storage.rows import EntryRow, SegmentRow

log = logging.getLogger("segue.cache")


def rows_of(entry: Entry, namespace: str, times: tuple[float, float]) -> tuple[EntryRow, list[SegmentRow]]:
    """The row of a checkpoint that has neither a key nor a file yet, and those of its chain, root first.

    `times` are the wall-clock seconds at which it was made and used last.
    """
    segments = [SegmentRow(namespace, one.start, one.tokens, one.file, one.n_stored_bytes) for one in entry.chain]
    row = EntryRow(
        key=b"",
        namespace=namespace,
        n_tokens=entry.n_tokens,
        pos_min=entry.pos_min,
        pos_max=entry.pos_max,
        origin=entry.origin.value,
        created=times[0],
        last_used=times[1],
        tokens=None if segments else tokens_of(entry),
        has_logits=entry.logits is not None,
        n_hits=entry.n_hits,
        pinned=entry.pinned,
        positions_digest=None if entry.positions_digest is None else str(entry.positions_digest),
    )
    return row, segments


def attach_rows(
    above: UpperTiers, stored_segments: Iterable[SegmentRow], stored_entries: Iterable[EntryRow]
) -> tuple[int, list[EntryRow]]:
    """Make known all that a lower tier has, segments given parents first; nothing but tokens comes into memory.

    How many checkpoints, and the rows of those that have no place in the tree.
    """
    segments: dict[str | None, Segment] = {}
    for row in stored_segments:
        root = above.host.segments.roots.setdefault(above.entries.tree(row.namespace), Segment.root())
        parent = root if row.parent is None else segments.get(row.parent)
        if parent is None or (row.start, int(row.tokens[0])) in parent.children:
            continue
        segment = above.host.segments.add(parent, row.start, row.tokens, None)
        segment.file, segment.n_stored_bytes = row.file, row.n_bytes
        segments[row.file] = segment
    n_loaded = 0
    misplaced: list[EntryRow] = []
    for found in stored_entries:
        tip = segments.get(found.segment)
        tokens = found.tokens if tip is None else _path(tip, found.n_tokens)
        tree = above.entries.tree(found.namespace)
        if tokens is None or len(tokens) != found.n_tokens or tree.at(tokens) is not None:
            log.warning("stored checkpoint %s has no place in the tree, and is forgotten", found.key.hex())
            misplaced.append(found)
            continue
        entry = _entry(found, tree, above.host.layout, above.entries.clock())
        entry.segment, entry.n_covered = tip, found.n_tokens if tip else 0
        tree.attach(entry, tokens)
        if tip is not None:
            tip.n_users += 1
            tip.n_stored += 1
        n_loaded += 1
    for segment in reversed(segments.values()):
        if not segment.is_needed and segment.parent is not None:
            del segment.parent.children[segment.start, int(segment.tokens[0])]
    return n_loaded, misplaced


def _entry(row: EntryRow, tree: Tree[Entry], layout: Layout, now: float) -> Entry:
    # A clock that jumped must not make a checkpoint young for ever, nor older than all others.
    age_s, idle_s = (max(0.0, time.time() - at) for at in (row.created, row.last_used))
    return Entry(
        tree=tree,
        layout=layout,
        n_tokens=row.n_tokens,
        pos_min=row.pos_min,
        pos_max=row.pos_max,
        origin=Origin(row.origin),
        created=now - age_s,
        last_used=now - idle_s,
        n_hits=row.n_hits,
        has_far_logits=row.has_logits,
        pinned=row.pinned,
        positions_digest=None if row.positions_digest is None else int(row.positions_digest),
        stored=replace(row, tokens=None),
    )


def _path(segment: Segment, n_tokens: int) -> Tokens:
    return np.concatenate([part.tokens[: end - part.start] for part, end in segment.chain(n_tokens)])
