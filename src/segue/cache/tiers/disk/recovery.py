"""Between checkpoints and the rows of a disk's index."""

import logging
import time

import numpy as np

from segue.cache.entries.entry import Entry, Layout
from segue.cache.entries.segment import Segment
from segue.cache.tiers.lower import UpperTiers
from segue.engine.base import Tokens
from segue.prefix.checkpoint import Origin
from segue.prefix.lineage import tokens_of
from segue.prefix.tree import Tree
from segue.storage.index import Index
from segue.storage.rows import EntryRow

log = logging.getLogger("segue.cache")


def row_of(checkpoint: Entry, scope: str, times: tuple[float, float], *, is_segmented: bool) -> EntryRow:
    """The row of a checkpoint that has no file yet; `times` are when it was made and used last."""
    return EntryRow(
        scope=scope,
        n_tokens=checkpoint.n_tokens,
        pos_min=checkpoint.pos_min,
        pos_max=checkpoint.pos_max,
        origin=checkpoint.origin.value,
        created=times[0],
        last_used=times[1],
        tokens=None if is_segmented else tokens_of(checkpoint),
        has_logits=checkpoint.logits is not None,
        n_hits=checkpoint.n_hits,
        pinned=checkpoint.pinned,
        cuts=None if checkpoint.cuts is None else str(checkpoint.cuts),
    )


def load(above: UpperTiers, index: Index, model: int) -> tuple[int, list[int]]:
    """Make known all that an index has of a model; nothing but tokens comes into memory.

    How many checkpoints, and the rows of those that have no place in the tree.
    """
    segments: dict[int | None, Segment] = {}
    for row in index.segments(model):
        root = above.host.segments.roots.setdefault(above.entries.tree(row.scope), Segment.root())
        parent = root if row.parent is None else segments.get(row.parent)
        if parent is None or (row.start, int(row.tokens[0])) in parent.children:
            continue
        segment = above.host.segments.add(parent, row.start, row.tokens, None)
        segment.row, segment.file, segment.n_disk_bytes = row.id, row.file, row.n_bytes
        segments[row.id] = segment
    n_loaded = 0
    misplaced: list[int] = []
    for found in index.checkpoints(model):
        assert found.id is not None
        tip = segments.get(found.segment)
        tokens = found.tokens if tip is None else _path(tip, found.n_tokens)
        tree = above.entries.tree(found.scope)
        if tokens is None or len(tokens) != found.n_tokens or tree.at(tokens) is not None:
            log.warning("stored checkpoint %d cannot be found a place, and is forgotten", found.id)
            misplaced.append(found.id)
            continue
        entry = _entry(found, tree, above.host.layout, above.entries.clock())
        entry.segment, entry.n_covered = tip, found.n_tokens if tip else 0
        tree.attach(entry, tokens)
        if tip is not None:
            tip.n_users += 1
            tip.n_stored += 1
        n_loaded += 1
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
        cuts=None if row.cuts is None else int(row.cuts),
        row=row.id,
        file=row.file or "",
        n_disk_bytes=row.n_bytes,
        stores_logits=row.has_logits,
    )


def _path(segment: Segment, n_tokens: int) -> Tokens:
    return np.concatenate([part.tokens[: end - part.start] for part, end in segment.chain(n_tokens)])
