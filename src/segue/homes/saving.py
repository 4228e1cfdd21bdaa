"""Storing checkpoints while there is time: copied to the host piece by piece, then handed to the disk's thread."""

import logging
import math
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from segue.homes.catalogue import row_of
from segue.homes.disk.directory import Directory
from segue.homes.disk.rows import LinkRow
from segue.homes.entry import Entry
from segue.homes.link import Link
from segue.homes.shelf import Shelf
from segue.homes.space import Space, log_event
from segue.homes.worker import Worker
from segue.homes.writing import Writing, Written, most_bytes, write

log = logging.getLogger("segue.cache")

_REST_S = 60.0
"""How long nothing is written after a write has failed: a disk that is full stays so for a while."""


class Saving:
    """The checkpoints that are to be stored, oldest first; one at a time is written. Belongs to the engine's thread."""

    def __init__(
        self,
        space: Space,
        shelf: Shelf,
        worker: Worker,
        directory: Directory,
        model: int,
        wall: Callable[[float], float],
    ) -> None:
        self._space = space
        self._shelf = shelf
        self._worker = worker
        self._directory = directory
        self._model = model
        self._wall = wall
        self._unsaved: dict[Entry, None] = {}
        self._rests_until = -math.inf
        self.is_writing = False
        self.is_stuck = False

    def note(self, checkpoint: Entry) -> None:
        """Hear of a checkpoint that is not on disk yet, or not with its logits."""
        if checkpoint.is_unsaved:
            self._unsaved[checkpoint] = None
            self.is_stuck = False

    def retry(self) -> None:
        """Rest no longer from a write that has failed."""
        self._rests_until, self.is_stuck = -math.inf, False

    @property
    def is_done(self) -> bool:
        """Whether all is stored for which there is room."""
        return not self.is_writing and (not self._unsaved or self.is_stuck)

    def step(self) -> bool:
        """Copy one piece of a checkpoint to the host, or hand a copied one to be written; False if neither can be."""
        if self.is_writing:
            return False
        has_room = True
        for checkpoint in list(self._unsaved) if self._space.clock() >= self._rests_until else ():
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
        seq = checkpoint.seq if checkpoint.is_parked else self._space.coverage.seq_over(checkpoint)
        if seq is None:
            return True
        with self._space.keeping(checkpoint):
            return self._space.copies.copy_next(checkpoint, seq, self._space.stored_room)

    def _save(self, checkpoint: Entry) -> bool:
        chain = [link for link, _ in checkpoint.link.chain(checkpoint.n_linked)] if checkpoint.link is not None else []
        parts = [] if checkpoint.blob is None else [checkpoint.blob.data]
        parts += [] if checkpoint.logits is None else [checkpoint.logits.view(np.uint8)]

        def need() -> int:
            return most_bytes([link.n_bytes for link in chain if link.row is None], [part.nbytes for part in parts])

        self._space.hold(checkpoint)
        # Links that only the disk has cannot be written again.
        if not self._shelf.make_room(need, [link for link in chain if link.cells is None]):
            self._space.release(checkpoint)
            if need() <= self._shelf.limit_bytes:
                self._unsaved[checkpoint] = None
            return False
        n_bytes = need()
        self._shelf.used_bytes += n_bytes
        for link in chain:
            link.is_being_written = True
        scope = next(name for name, tree in self._space.trees.items() if tree is checkpoint.tree)
        times = self._wall(checkpoint.created), self._wall(checkpoint.last_used)
        row = row_of(checkpoint, scope, times, is_chained=bool(chain))
        links = [LinkRow(scope, link.start, link.tokens, link.file, link.n_disk_bytes, id=link.row) for link in chain]
        cells = [link.cells.data if link.cells is not None and link.row is None else None for link in chain]
        writing = Writing(row, tuple(links), tuple(cells), tuple(parts))
        self.is_writing = True
        self._worker.submit(
            partial(write, self._directory, self._model, writing),
            partial(self._written, checkpoint, chain, n_bytes),
            partial(self._failed, checkpoint, chain, n_bytes),
        )
        return True

    def _written(self, checkpoint: Entry, chain: list[Link], n_reserved: int, written: Written) -> None:
        self._end(checkpoint, n_reserved)
        self._shelf.put(checkpoint, chain, written)
        log_event("stored", checkpoint, checkpoint.home, time.perf_counter())
        if checkpoint.is_attached:
            self.note(checkpoint)

    def _failed(self, checkpoint: Entry, chain: list[Link], n_reserved: int, error: Exception) -> None:
        self._end(checkpoint, n_reserved)
        self._shelf.give_up(checkpoint, chain)
        self._rests_until = self._space.clock() + _REST_S
        self._unsaved[checkpoint] = None
        log.warning("a checkpoint could not be stored: %s", error)

    def _end(self, checkpoint: Entry, n_reserved: int) -> None:
        self.is_writing = self.is_stuck = False
        self._space.release(checkpoint)
        self._shelf.used_bytes -= n_reserved


def _is_in_memory(checkpoint: Entry) -> bool:
    """Whether all that is to be written is in memory: one that is on disk is written again but for its chain."""
    return checkpoint.has_blob and checkpoint.is_copied


def _can_be_copied(checkpoint: Entry) -> bool:
    """Whether what is not in memory is on the device: else the disk alone has the state."""
    return checkpoint.is_parked or not checkpoint.is_stored or _is_in_memory(checkpoint)
