"""Fetching checkpoints from the disk into memory, while the engine does other things."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from segue.engine.cells import Bytes, Cells
from segue.homes.disk.directory import Directory
from segue.homes.disk.errors import DamagedError
from segue.homes.entry import Entry
from segue.homes.link import Link
from segue.homes.price import Prices
from segue.homes.shelf import Shelf
from segue.homes.space import Space
from segue.homes.worker import Worker
from segue.state.kind import MemoryShape
from segue.state.loss import Loss

log = logging.getLogger("segue.cache")

_SLACK_BYTES = 4096
_REST_S = 60.0
"""How long what could not be read is left alone: a disk may take seconds to give up."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came from the disk: cells by link, and the blob and the logits where they were asked for."""

    cells: tuple[tuple[Link, Bytes], ...]
    parts: tuple[Bytes, ...]
    seconds: float


class FetchError(Exception):
    """`file` could not be read: that of `link`, or, if that is None, the checkpoint's own.

    `is_damage`: it is not what was written; else another attempt may succeed.
    """

    def __init__(self, link: Link | None, file: str, error: Exception) -> None:
        super().__init__(str(error))
        self.link = link
        self.file = file
        # A file that is whole may still hold other arrays than the index says.
        self.is_damage = isinstance(error, DamagedError | ValueError)


class Fetching:
    """The checkpoints that are on their way from the disk. Belongs to the engine's thread."""

    def __init__(self, space: Space, shelf: Shelf, worker: Worker, directory: Directory, prices: Prices) -> None:
        self._space = space
        self._shelf = shelf
        self._worker = worker
        self._directory = directory
        self._prices = prices
        self._fetching: set[Entry] = set()
        self._arrived: list[Entry] = []
        self._n_excess_bytes = 0

    def bytes_to_fetch(self, checkpoint: Entry, *, with_logits: bool) -> int:
        """What must come from the disk, in bytes of memory, before a checkpoint can be restored."""
        shape = self._space.engine.shape
        n_bytes = sum(shape.n_bytes_link + len(link.tokens) * shape.n_bytes_cell for link in self._far(checkpoint))
        if self._is_file_needed(checkpoint, with_logits):
            n_bytes += shape.n_bytes_state + shape.n_bytes_logits + _SLACK_BYTES
            n_bytes += 0 if self._space.copies.layout.is_chained else checkpoint.n_tokens * shape.n_bytes_cell
        return n_bytes + self._n_excess_bytes if n_bytes else 0

    def fetch(self, checkpoint: Entry, *, with_logits: bool) -> bool:
        """Begin to fetch a checkpoint, unless that is under way.

        False if the host has no room for it, or if it could not be read a short while ago.
        """
        if checkpoint in self._fetching:
            return True
        if self._space.clock() < checkpoint.fetch_after:
            return False
        self._space.hold(checkpoint)
        was_loaded = checkpoint.is_loaded
        self._space.copies.stay_on_host(checkpoint)
        n_reserved = self.bytes_to_fetch(checkpoint, with_logits=with_logits)
        with self._space.keeping(checkpoint):
            if not self._space.host_room(n_reserved):
                self._space.release(checkpoint)
                if not was_loaded:
                    self._space.copies.leave_host(checkpoint)
                return False
        self._space.host.reserve(n_reserved)
        self._fetching.add(checkpoint)
        links = [(link, link.file) for link in self._far(checkpoint)]
        file = checkpoint.file if self._is_file_needed(checkpoint, with_logits) else ""
        n_disk_bytes = sum(link.n_disk_bytes for link, _ in links) + (checkpoint.n_disk_bytes if file else 0)
        check = partial(self._space.copies.verify, has_logits=checkpoint.has_far_logits)
        self._worker.submit(
            partial(_read, self._directory, links, file, self._space.engine.shape, check),
            partial(self._fetched, checkpoint, n_reserved, n_disk_bytes),
            partial(self._failed, checkpoint, n_reserved),
        )
        return True

    def let_go(self) -> None:
        """What has arrived before may be dropped again: who waited for it had a turn of the loop to open it."""
        while self._arrived:
            self._space.release(self._arrived.pop())

    def _fetched(self, checkpoint: Entry, n_reserved: int, n_disk_bytes: int, fetched: Fetched) -> None:
        self._prices.note_disk(n_disk_bytes, fetched.seconds)
        self._end(checkpoint, n_reserved)
        copies = self._space.copies
        # What went meanwhile is on no chain and on no disk: nothing of it is taken.
        chain = set(checkpoint.link.up()) if checkpoint.link is not None and checkpoint.is_loaded else set()
        cells = [(link, data) for link, data in fetched.cells if link in chain and link.cells is None]
        parts = fetched.parts if checkpoint.is_stored else ()
        n_bytes = sum(data.nbytes for _, data in cells) + sum(part.nbytes for part in parts)
        self._n_excess_bytes = max(self._n_excess_bytes, n_bytes - n_reserved)
        with self._space.keeping(checkpoint):
            if not self._space.host_room(n_bytes):
                return
        for link, data in cells:
            copies.chains.put(link, Cells(data, link.start, link.end))
        if parts:
            copies.take_back(checkpoint, parts)

    def _failed(self, checkpoint: Entry, n_reserved: int, error: Exception) -> None:
        assert isinstance(error, FetchError)
        self._end(checkpoint, n_reserved)
        link = error.link
        # What went meanwhile, or was stored anew, has another file or none.
        if (link.file if link is not None else checkpoint.file) != error.file:
            return
        if link is not None and link.cells is not None:
            return
        if not error.is_damage:
            log.warning("stored state stays on disk, but is read again for now: %s", error)
            checkpoint.fetch_after = self._space.clock() + _REST_S
            return
        log.warning("stored state is lost, and will be read again: %s", error)
        if link is not None:
            self._shelf.lose_link(link, loss=Loss.DAMAGED)
        else:
            self._shelf.lose(checkpoint, loss=Loss.DAMAGED)

    def _end(self, checkpoint: Entry, n_reserved: int) -> None:
        self._fetching.discard(checkpoint)
        self._arrived.append(checkpoint)
        self._space.host.release(n_reserved)

    def _far(self, checkpoint: Entry) -> list[Link]:
        """The links that a restore needs and that are not in memory."""
        if checkpoint.link is None or checkpoint.is_parked or self._space.coverage.seq_over(checkpoint) is not None:
            return []
        return [link for link, _ in checkpoint.link.chain(checkpoint.n_linked) if link.cells is None]

    def _is_file_needed(self, checkpoint: Entry, with_logits: bool) -> bool:
        lacks_blob = not checkpoint.has_blob and not checkpoint.is_parked
        return bool(checkpoint.file) and (lacks_blob or (with_logits and checkpoint.has_far_logits))


def _read(
    directory: Directory,
    links: Sequence[tuple[Link, str]],
    file: str,
    shape: MemoryShape,
    check: Callable[[Sequence[Bytes]], None],
) -> Fetched:
    """On a disk's thread; raises FetchError, also where a file that is whole has other arrays than the index says."""
    started = time.perf_counter()
    at: Link | None = None
    name = ""
    try:
        cells = []
        for at, name in links:
            (data,) = directory.read_blob(name)
            if data.nbytes != shape.n_bytes_link + len(at.tokens) * shape.n_bytes_cell:
                raise DamagedError(f"{name} does not hold the cells of {len(at.tokens)} tokens")
            cells.append((at, data))
        at, name = None, file
        parts = tuple(directory.read_blob(file)) if file else ()
        if file:
            check(parts)
    except Exception as error:
        raise FetchError(at, name, error) from error
    return Fetched(tuple(cells), parts, time.perf_counter() - started)
