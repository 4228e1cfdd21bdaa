"""Storing checkpoints while there is time: copied to the host piece by piece, then handed to the disk's thread."""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from segue.cache.entries.arrays import cells_to_arrays
from segue.cache.entries.entry import Entry
from segue.cache.entries.event_log import log_event
from segue.cache.entries.segment import Segment
from segue.cache.tiers.disk.usage import DiskUsage
from segue.cache.tiers.disk.worker import Worker
from segue.cache.tiers.disk.writing import EntryWrite, ModelDirectory, most_bytes, write
from segue.cache.tiers.entry_rows import rows_of
from segue.cache.tiers.lower import UpperTiers
from segue.cache.tiers.stored_entries import StoredEntries
from segue.engine.state import Bytes

log = logging.getLogger("segue.cache")

_REST_S = 60.0
"""How long nothing is written after a write has failed: a disk that is full stays so for a while."""


class StoreQueue:
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
        self._unstored: dict[Entry, None] = {}
        self._rests_until = -math.inf
        self.is_writing = False
        self.is_stuck = False

    def add(self, entry: Entry) -> None:
        """Queue a checkpoint that is not on disk yet, or not with its logits."""
        if entry.is_unstored:
            self._unstored[entry] = None
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
        return not self.is_writing and (not self._unstored or self.is_stuck)

    def store_next(self) -> bool:
        """Copy one piece of a checkpoint to the host, or have a complete copy written; False if neither can be done."""
        if self.is_writing:
            return False
        has_room = True
        for entry in list(self._unstored) if self._above.entries.clock() >= self._rests_until else ():
            if not entry.is_attached or not entry.is_unstored or not _can_be_copied(entry):
                del self._unstored[entry]
            elif _is_in_memory(entry):
                del self._unstored[entry]
                if self._store(entry):
                    return True
            elif has_room:
                # Where one finds no room, others would hardly: they wait without being tried.
                has_room = self._copy(entry)
                if has_room:
                    return True
        self.is_stuck = True
        return False

    def _copy(self, entry: Entry) -> bool:
        seq = self._above.device.owners.source(entry)
        if seq is None:
            return True
        with self._above.in_use.using(entry):
            return self._above.host.copy_next(entry, seq, self._above.stored_room)

    def _store(self, entry: Entry) -> bool:
        chain = entry.chain
        own = self._above.host.arrays(entry)

        def need() -> int:
            return most_bytes([own, *(arrays for arrays in _new_cells(chain) if arrays is not None)])

        self._above.in_use.acquire(entry)
        # Segments that only the disk has cannot be written again.
        if not self._usage.reserve(need, [segment for segment in chain if segment.cells is None]):
            self._above.in_use.release(entry)
            if need() <= self._usage.share.disk.limit_bytes:
                self._unstored[entry] = None
            return False
        n_bytes = need()
        for segment in chain:
            segment.is_being_written = True
        namespace = self._above.entries.namespace(entry)
        times = self._wall(entry.created), self._wall(entry.last_used)
        row, segments = rows_of(entry, namespace, times)
        writing = EntryWrite(row, tuple(segments), tuple(_new_cells(chain)), own)
        self.is_writing = True
        self._worker.submit(
            partial(write, self._place, writing),
            partial(self._written, entry, chain, n_bytes),
            partial(self._failed, entry, chain, n_bytes),
        )
        return True

    def _written(self, entry: Entry, chain: list[Segment], n_reserved: int, written: EntryWrite) -> None:
        with self._usage.share.spending(n_reserved):
            self._stored.add(entry, chain, written.row, written.segments)
        self._end(entry)
        log_event("stored", entry, self._above.tier(entry), time.perf_counter())
        if entry.is_attached:
            self.add(entry)

    def _failed(self, entry: Entry, chain: list[Segment], n_reserved: int, error: Exception) -> None:
        with self._usage.share.spending(n_reserved):
            self._stored.give_up(entry, chain)
        self._end(entry)
        self._rests_until = self._above.entries.clock() + _REST_S
        self._unstored[entry] = None
        log.warning("a checkpoint could not be stored: %s", error)

    def _end(self, entry: Entry) -> None:
        self.is_writing = self.is_stuck = False
        self._above.in_use.release(entry)


def _new_cells(chain: Iterable[Segment]) -> Iterator[list[Bytes] | None]:
    """The arrays of segments that are not on disk; None for each of the others."""
    for segment in chain:
        yield cells_to_arrays(segment.cells) if segment.cells is not None and not segment.is_stored else None


def _is_in_memory(entry: Entry) -> bool:
    """Whether everything to be written is in memory: an entry on disk is written again, apart from its chain."""
    return entry.has_state_on_host and entry.is_complete_off_device


def _can_be_copied(entry: Entry) -> bool:
    """Whether the parts that memory lacks are on the device: otherwise the disk alone has the state."""
    return entry.is_parked or not entry.is_stored or _is_in_memory(entry)
