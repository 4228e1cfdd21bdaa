"""Storing checkpoints while there is time: copied to the host piece by piece, then handed to the disk's thread."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from segue.cache.entries.arrays import cells_to_arrays
from segue.cache.entries.entry import Entry
from segue.cache.entries.events import log_event
from segue.cache.entries.segment import Segment
from segue.cache.tiers.disk.usage import DiskUsage
from segue.cache.tiers.disk.worker import Worker
from segue.cache.tiers.disk.writing import EntryWrite, ModelDirectory, most_bytes, write
from segue.cache.tiers.lower import UpperTiers
from segue.cache.tiers.recovery import rows_of
from segue.cache.tiers.stored_entries import StoredEntries
from segue.engine.state import Bytes

log = logging.getLogger("segue.cache")

_REST_S = 60.0
"""How long nothing is written after a write has failed: a disk that is full stays so for a while."""


class SaveQueue:
    """The checkpoints that are to be stored, oldest first; one at a time is written. Belongs to the engine's thread."""

    def __init__(
        self,
        above: UpperTiers,
        stored: StoredEntries,
        usage: DiskUsage,
        worker: Worker,
        place: ModelDirectory,
        wall: Callable[[float], float],
    ) -> None:
        self._above = above
        self._stored = stored
        self._usage = usage
        self._worker = worker
        self._place = place
        self._wall = wall
        self._unsaved: dict[Entry, None] = {}
        self._rests_until = -math.inf
        self.is_writing = False
        self.is_stuck = False

    def add(self, checkpoint: Entry) -> None:
        """Queue a checkpoint that is not on disk yet, or not with its logits."""
        if checkpoint.is_unsaved:
            self._unsaved[checkpoint] = None
            self.is_stuck = False

    def recheck_room(self) -> None:
        """Look for room again: some may have come free."""
        self.is_stuck = False

    def retry(self) -> None:
        """Rest no longer from a write that has failed."""
        self._rests_until, self.is_stuck = -math.inf, False

    @property
    def is_done(self) -> bool:
        """Whether all is stored for which there is room."""
        return not self.is_writing and (not self._unsaved or self.is_stuck)

    def save_next(self) -> bool:
        """Copy one piece of a checkpoint to the host, or hand a copied one to be written; False if neither can be."""
        if self.is_writing:
            return False
        has_room = True
        for checkpoint in list(self._unsaved) if self._above.entries.clock() >= self._rests_until else ():
            if not checkpoint.is_attached or not checkpoint.is_unsaved or not _can_be_copied(checkpoint):
                del self._unsaved[checkpoint]
            elif _is_in_memory(checkpoint):
                del self._unsaved[checkpoint]
                if self._save(checkpoint):
                    return True
            elif has_room:
                # Where one finds no room, others would hardly: they wait without being tried.
                has_room = self._copy(checkpoint)
                if has_room:
                    return True
        self.is_stuck = True
        return False

    def _copy(self, checkpoint: Entry) -> bool:
        seq = self._above.device.owners.source(checkpoint)
        if seq is None:
            return True
        with self._above.in_use.using(checkpoint):
            return self._above.host.copy_next(checkpoint, seq, self._above.stored_room)

    def _save(self, checkpoint: Entry) -> bool:
        chain = checkpoint.chain
        own = self._above.host.arrays(checkpoint)

        def need() -> int:
            return most_bytes([own, *(arrays for arrays in _new_cells(chain) if arrays is not None)])

        self._above.in_use.acquire(checkpoint)
        # Segments that only the disk has cannot be written again.
        if not self._usage.reserve(need, [segment for segment in chain if segment.cells is None]):
            self._above.in_use.release(checkpoint)
            if need() <= self._usage.share.disk.limit_bytes:
                self._unsaved[checkpoint] = None
            return False
        n_bytes = need()
        for segment in chain:
            segment.is_being_written = True
        namespace = self._above.entries.namespace(checkpoint)
        times = self._wall(checkpoint.created), self._wall(checkpoint.last_used)
        row, segments = rows_of(checkpoint, namespace, times)
        writing = EntryWrite(row, tuple(segments), tuple(_new_cells(chain)), own)
        self.is_writing = True
        self._worker.submit(
            partial(write, self._place, writing),
            partial(self._written, checkpoint, chain, n_bytes),
            partial(self._failed, checkpoint, chain, n_bytes),
        )
        return True

    def _written(self, checkpoint: Entry, chain: list[Segment], n_reserved: int, written: EntryWrite) -> None:
        with self._usage.share.spending(n_reserved):
            self._stored.add(checkpoint, chain, written.row, written.segments)
        self._end(checkpoint)
        log_event("stored", checkpoint, checkpoint.tier, time.perf_counter())
        if checkpoint.is_attached:
            self.add(checkpoint)

    def _failed(self, checkpoint: Entry, chain: list[Segment], n_reserved: int, error: Exception) -> None:
        with self._usage.share.spending(n_reserved):
            self._stored.give_up(checkpoint, chain)
        self._end(checkpoint)
        self._rests_until = self._above.entries.clock() + _REST_S
        self._unsaved[checkpoint] = None
        log.warning("a checkpoint could not be stored: %s", error)

    def _end(self, checkpoint: Entry) -> None:
        self.is_writing = self.is_stuck = False
        self._above.in_use.release(checkpoint)


def _new_cells(chain: Iterable[Segment]) -> Iterator[list[Bytes] | None]:
    """The arrays of segments that are not on disk; None for each of the others."""
    for segment in chain:
        yield cells_to_arrays(segment.cells) if segment.cells is not None and not segment.is_stored else None


def _is_in_memory(checkpoint: Entry) -> bool:
    """Whether everything to be written is in memory: an entry on disk is written again, apart from its chain."""
    return checkpoint.has_state and checkpoint.is_copied


def _can_be_copied(checkpoint: Entry) -> bool:
    """Whether the parts that memory lacks are on the device: otherwise the disk alone has the state."""
    return checkpoint.is_parked or not checkpoint.is_stored or _is_in_memory(checkpoint)
