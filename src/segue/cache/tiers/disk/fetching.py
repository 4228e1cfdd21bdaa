"""Fetches checkpoints from the disk into memory in the background."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from segue.cache.entries.arrays import cells_from_arrays
from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.tiers.disk.worker import Worker
from segue.cache.tiers.lower import UpperTiers
from segue.cache.tiers.stored_entries import StoredEntries
from segue.engine.state import Bytes, Cells
from segue.policy.prices import Prices
from segue.prefix.loss import Loss
from segue.storage.directory import Directory
from segue.storage.errors import DamagedError

log = logging.getLogger("segue.cache")

_SLACK_BYTES = 4096
_REST_S = 60.0
"""How long a checkpoint is not read again after a failed read: a disk may take seconds to give up."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The data read from the disk: cells by segment, and the checkpoint's own arrays if they were requested."""

    cells: tuple[tuple[Segment, Cells], ...]
    own: Sequence[Bytes]
    seconds: float


class FetchError(Exception):
    """A `file` could not be read: that of `segment`, or the checkpoint's own if `segment` is None.

    `is_damage`: the file does not hold the data that was written; otherwise another attempt may succeed.
    """

    def __init__(self, segment: Segment | None, file: str, error: Exception) -> None:
        super().__init__(str(error))
        self.segment = segment
        self.file = file
        # An intact file may still hold other arrays than the index says.
        self.is_damage = isinstance(error, DamagedError | ValueError)


class Fetches:
    """The checkpoints that are being fetched from the disk. Belongs to the engine's thread."""

    def __init__(
        self, above: UpperTiers, stored: StoredEntries, worker: Worker, directory: Directory, prices: Prices
    ) -> None:
        self._above = above
        self._stored = stored
        self._worker = worker
        self._directory = directory
        self._prices = prices
        self._fetching: set[Entry] = set()
        self._arrived: list[Entry] = []
        self._n_excess_bytes = 0

    def cost(self, entry: Entry, *, with_logits: bool) -> int:
        """The bytes of memory that must be filled from the disk before a checkpoint can be restored."""
        shape = self._above.device.engine.shape
        n_bytes = sum(shape.n_bytes_segment + len(segment.tokens) * shape.n_bytes_cell for segment in self._far(entry))
        if self._is_file_needed(entry, with_logits):
            n_bytes += shape.n_bytes_state + shape.n_bytes_logits + _SLACK_BYTES
            n_bytes += 0 if self._above.host.layout.is_segmented else entry.n_tokens * shape.n_bytes_cell
        return n_bytes + self._n_excess_bytes if n_bytes else 0

    def fetch(self, entry: Entry, *, with_logits: bool) -> bool:
        """Begin to fetch a checkpoint, unless that has already begun.

        False if the host has no room for it, or if reading it failed recently.
        """
        if entry in self._fetching:
            return True
        if self._above.entries.clock() < entry.fetch_after:
            return False
        self._above.in_use.acquire(entry)
        was_loaded = entry.holds_chain
        self._above.host.hold_chain(entry)
        n_reserved = self.cost(entry, with_logits=with_logits)
        with self._above.in_use.using(entry):
            if not self._above.host_room(n_reserved):
                self._above.in_use.release(entry)
                if not was_loaded:
                    self._above.host.unload_chain(entry)
                return False
        self._above.host.budget.reserve(n_reserved)
        self._fetching.add(entry)
        segments = [(segment, segment.file) for segment in self._far(entry)]
        stored = entry.stored if self._is_file_needed(entry, with_logits) else None
        file = (stored.file or "") if stored is not None else ""
        n_disk_bytes = sum(segment.n_stored_bytes for segment, _ in segments) + (
            stored.n_bytes if stored is not None else 0
        )
        host = self._above.host
        check = partial(host.read_arrays, n_tokens=entry.n_tokens, has_logits=entry.has_far_logits)
        self._worker.submit(
            partial(_read, self._directory, segments, file, check),
            partial(self._fetched, entry, n_reserved, n_disk_bytes),
            partial(self._failed, entry, n_reserved),
        )
        return True

    def release_arrived(self) -> None:
        """Allow checkpoints fetched before to be evicted: the requests waiting for them had a turn to restore them."""
        while self._arrived:
            self._above.in_use.release(self._arrived.pop())

    def _fetched(self, entry: Entry, n_reserved: int, n_disk_bytes: int, fetched: Fetched) -> None:
        self._prices.record_fetch(n_disk_bytes, fetched.seconds)
        self._end(entry, n_reserved)
        # A checkpoint that was dropped meanwhile has no chain and no file, so none of its data is taken.
        chain = set(entry.segment.up()) if entry.segment is not None and entry.holds_chain else set()
        cells = [(segment, one) for segment, one in fetched.cells if segment in chain and segment.cells is None]
        own = fetched.own if entry.is_stored else ()
        n_bytes = sum(one.n_bytes for _, one in cells) + sum(array.nbytes for array in own)
        self._n_excess_bytes = max(self._n_excess_bytes, n_bytes - n_reserved)
        self._stored.bring_back(entry, cells, own)

    def _failed(self, entry: Entry, n_reserved: int, error: Exception) -> None:
        assert isinstance(error, FetchError)
        self._end(entry, n_reserved)
        segment = error.segment
        # A checkpoint or segment that was dropped or stored again meanwhile has no file, or another one.
        stored = entry.stored
        own_file = stored.file if stored is not None else None
        if (segment.file if segment is not None else own_file) != error.file:
            return
        if segment is not None and segment.cells is not None:
            return
        if not error.is_damage:
            log.warning("stored state stays on disk, but its tokens are read again for now: %s", error)
            entry.fetch_after = self._above.entries.clock() + _REST_S
            return
        log.warning("stored state is lost; its tokens will be read again: %s", error)
        if segment is not None:
            self._stored.lose_segment(segment, Loss.DAMAGED)
        else:
            self._stored.lose(entry)

    def _end(self, entry: Entry, n_reserved: int) -> None:
        self._fetching.discard(entry)
        self._arrived.append(entry)
        self._above.host.budget.end_reservation(n_reserved)

    def _far(self, entry: Entry) -> list[Segment]:
        """The segments that a restore needs but that are not in memory."""
        if entry.segment is None or entry.is_parked or self._above.device.owners.seq_over(entry) is not None:
            return []
        return [segment for segment in entry.chain if segment.cells is None]

    def _is_file_needed(self, entry: Entry, with_logits: bool) -> bool:
        lacks_state = not entry.has_state_on_host and not entry.is_parked
        has_file = entry.stored is not None and bool(entry.stored.file)
        return has_file and (lacks_state or (with_logits and entry.has_far_logits))


def _read(
    directory: Directory,
    segments: Sequence[tuple[Segment, str]],
    file: str,
    check: Callable[[Sequence[Bytes]], object],
) -> Fetched:
    """Read files on a disk's thread. Raises FetchError, also if an intact file has other arrays than the index says."""
    started = time.perf_counter()
    at: Segment | None = None
    name = ""
    try:
        cells = []
        for at, name in segments:
            found = cells_from_arrays(directory.read_blob(name))
            if (found.start, found.end) != (at.start, at.end):
                raise DamagedError(f"{name} does not hold the cells of the tokens from {at.start} to {at.end}")
            cells.append((at, found))
        at, name = None, file
        own = directory.read_blob(file) if file else []
        if file:
            check(own)
    except Exception as error:
        raise FetchError(at, name, error) from error
    return Fetched(tuple(cells), own, time.perf_counter() - started)
