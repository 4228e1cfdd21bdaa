"""The disk home: checkpoints are written behind the host, and fetched back into it."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np

from segue.engine.cells import Bytes, Cells
from segue.engine.fingerprint import differences
from segue.homes.catalogue import load, row_of
from segue.homes.disk.directory import Directory
from segue.homes.disk.errors import DiskError
from segue.homes.disk.rows import Added, LinkRow
from segue.homes.link import Link
from segue.homes.price import Prices
from segue.homes.residence import host_bytes, residence_of
from segue.homes.space import Space, log_event
from segue.state.checkpoint import Checkpoint

log = logging.getLogger("segue.cache")

_SLACK_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came from the disk for a checkpoint: cells by link, its blob and its logits where they were asked for."""

    cells: tuple[tuple[Link, Bytes], ...]
    parts: tuple[Bytes, ...]
    n_reserved: int
    n_disk_bytes: int
    seconds: float


class Vault:
    """What of a space is on disk. Its two threads touch files alone; all else belongs to the engine's thread.

    What they have done is taken over by `settle`; `wake` is called, from any thread, when there is something.
    """

    def __init__(
        self,
        space: Space,
        directory: Directory,
        fingerprint: Mapping[str, str],
        limit_bytes: int,
        prices: Prices,
        wake: Callable[[], None],
    ) -> None:
        self._space = space
        self._directory = directory
        self._limit_bytes = limit_bytes
        self._wake = wake
        self._model = directory.index.model_id(json.dumps(fingerprint, sort_keys=True))
        self._unsaved: dict[Checkpoint, None] = {}
        self._fetching: set[Checkpoint] = set()
        self._is_writing = False
        self._done: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._writer = ThreadPoolExecutor(1, "segue-disk-write")
        self._reader = ThreadPoolExecutor(1, "segue-disk-read")
        self._prices = prices
        self._explain_others(fingerprint)
        self.n_loaded = load(space, directory.index, self._model)
        self.used_bytes = directory.used_bytes

    def note(self, checkpoint: Checkpoint) -> None:
        """Hear of a new checkpoint, to be stored when there is time."""
        self._unsaved[checkpoint] = None

    def settle(self) -> None:
        """Take over what the threads have done."""
        while True:
            try:
                done = self._done.get_nowait()
            except Empty:
                return
            done()

    def step(self) -> bool:
        """Copy one piece of an unsaved checkpoint to the host, or hand a copied one to the writer; False if idle."""
        if self._is_writing:
            return False
        for checkpoint in list(self._unsaved):
            residence = residence_of(checkpoint)
            if checkpoint.branch is None or residence.is_stored:
                del self._unsaved[checkpoint]
            elif self._space.copies.is_complete(checkpoint):
                del self._unsaved[checkpoint]
                self._save(checkpoint)
                return True
            else:
                seq = residence.seq if residence.is_parked else self._space.coverage.seq_over(checkpoint)
                with self._space.keeping(checkpoint):
                    if seq is not None and self._space.copies.copy_next(checkpoint, seq, self._space.stored_room):
                        return True
        return False

    @property
    def is_idle(self) -> bool:
        """Whether all that can be stored is."""
        return not self._is_writing and not self._unsaved

    def bytes_to_fetch(self, checkpoint: Checkpoint) -> int:
        """What must come from the disk, in bytes of memory, before a checkpoint can be restored."""
        shape = self._space.engine.shape
        n_bytes = sum(shape.n_bytes_link + len(link.tokens) * shape.n_bytes_cell for link in self._far(checkpoint))
        if self._is_file_needed(checkpoint):
            n_bytes += shape.n_bytes_state + shape.n_bytes_logits + _SLACK_BYTES
            n_bytes += 0 if self._space.copies.is_chained else checkpoint.n_tokens * shape.n_bytes_cell
        return n_bytes

    def fetch(self, checkpoint: Checkpoint) -> bool:
        """Begin to fetch a checkpoint, unless that is under way; False if the host has no room for it."""
        if checkpoint in self._fetching:
            return True
        n_reserved = self.bytes_to_fetch(checkpoint)
        with self._space.keeping(checkpoint):
            if not self._space.host_room(n_reserved):
                return False
        self._space.host.take(n_reserved)
        self._space.held.add(checkpoint)
        self._fetching.add(checkpoint)
        links = [(link, link.file) for link in self._far(checkpoint)]
        file = residence_of(checkpoint).file if self._is_file_needed(checkpoint) else ""
        n_disk_bytes = sum(link.n_disk_bytes for link, _ in links) + residence_of(checkpoint).n_disk_bytes
        self._reader.submit(self._read, checkpoint, links, file, n_reserved, n_disk_bytes)
        return True

    def drop(self, checkpoint: Checkpoint) -> None:
        """Forget what is stored of a checkpoint."""
        residence = residence_of(checkpoint)
        assert residence.row is not None
        row, residence.row = residence.row, None
        self.used_bytes -= residence.n_disk_bytes
        residence.file, checkpoint.has_far_logits = "", False
        lost: list[Link] = []
        if residence.link is not None:
            residence.link.n_stored -= 1
            for link in residence.link.up():
                if link.is_needed_on_disk:
                    break
                self.used_bytes -= link.n_disk_bytes
                link.row, link.file = None, ""
                if link.cells is None:
                    lost.append(link)
        self._writer.submit(self._remove, row)
        for link in lost:
            self._evict_users(link, checkpoint)

    def close(self, timeout_s: float) -> None:
        """Store what there is time for, and let the directory go."""
        give_up = time.monotonic() + timeout_s
        while not self.is_idle and time.monotonic() < give_up:
            self.settle()
            if not self.step():
                if not self._is_writing:
                    break
                time.sleep(0.002)
        for checkpoint in self._space.checkpoints():
            row = residence_of(checkpoint).row
            if row is not None and checkpoint.n_hits:
                self._writer.submit(self._touch, row, self._wall(checkpoint.last_used), checkpoint.n_hits)
        self._writer.shutdown()
        self._reader.shutdown()
        self.settle()
        self._directory.close()

    def _save(self, checkpoint: Checkpoint) -> None:
        residence = residence_of(checkpoint)
        chain = residence.link.chain(residence.n_linked) if residence.link is not None else []
        new = [link for link, _ in chain if link.row is None]
        n_bytes = sum(link.n_bytes for link in new) + host_bytes(checkpoint)
        if not self._make_room(n_bytes, checkpoint):
            return
        self._space.held.add(checkpoint)
        self._is_writing = True
        self.used_bytes += n_bytes
        data = [(link, link.cells.data if link.cells is not None and link.row is None else None) for link, _ in chain]
        parts = [] if residence.blob is None else [residence.blob.data]
        parts += [] if checkpoint.logits is None else [checkpoint.logits.view(np.uint8)]
        scope = next(name for name, tree in self._space.trees.items() if tree is residence.tree)
        self._writer.submit(self._write, checkpoint, scope, data, parts, n_bytes)

    def _make_room(self, n_bytes: int, newcomer: Checkpoint) -> bool:
        """Drop what is worth least on disk until so much fits; False if it does not."""
        while self.used_bytes + n_bytes > self._limit_bytes:
            stored = [c for c in self._space.checkpoints() if residence_of(c).is_stored and c is not newcomer]
            victim = self._space.least(stored, lambda c: max(1, self._freed_bytes(c)))
            if victim is None:
                return False
            if residence_of(victim).is_parked:
                self.drop(victim)
            else:
                self._space.evict(victim)
        return True

    def _freed_bytes(self, checkpoint: Checkpoint) -> int:
        residence = residence_of(checkpoint)
        n_bytes = residence.n_disk_bytes
        n_own, n_below = 1, 0
        for link in residence.link.up() if residence.link is not None else ():
            if link.n_stored > n_own or sum(child.row is not None for child in link.children.values()) > n_below:
                break
            n_bytes += link.n_disk_bytes
            n_own, n_below = 0, 1
        return n_bytes

    def _far(self, checkpoint: Checkpoint) -> list[Link]:
        """The links that a restore needs and that are not in memory."""
        residence = residence_of(checkpoint)
        if residence.link is None or residence.is_parked or self._space.coverage.seq_over(checkpoint) is not None:
            return []
        return [link for link, _ in residence.link.chain(residence.n_linked) if link.cells is None]

    def _is_file_needed(self, checkpoint: Checkpoint) -> bool:
        residence = residence_of(checkpoint)
        lacks_blob = self._space.copies.needs_blob and residence.blob is None and not residence.is_parked
        return bool(residence.file) and (lacks_blob or checkpoint.has_far_logits)

    def _written(
        self, checkpoint: Checkpoint, n_reserved: int, links: Sequence[LinkRow], file: tuple[str, int], added: Added
    ) -> None:
        self._is_writing = False
        self._space.held.discard(checkpoint)
        residence = residence_of(checkpoint)
        chain = residence.link.chain(residence.n_linked) if residence.link is not None else []
        self.used_bytes -= n_reserved
        for (link, _), row, number in zip(chain, links, added.links, strict=True):
            if link.row is None:
                link.row, link.file, link.n_disk_bytes = number, row.file, row.n_bytes
                self.used_bytes += row.n_bytes
        residence.row = added.checkpoint
        residence.file, residence.n_disk_bytes = file
        self.used_bytes += residence.n_disk_bytes
        if residence.link is not None:
            residence.link.n_stored += 1
        if checkpoint.branch is None:
            self.drop(checkpoint)
        log_event("stored", checkpoint, residence.home, time.perf_counter())

    def _fetched(self, checkpoint: Checkpoint, fetched: Fetched) -> None:
        space, residence = self._space, residence_of(checkpoint)
        self._fetching.discard(checkpoint)
        space.held.discard(checkpoint)
        space.host.give(fetched.n_reserved)
        self._prices.note_disk(fetched.n_disk_bytes, fetched.seconds)
        if checkpoint.branch is None or not residence.is_stored:
            return
        n_bytes = sum(data.nbytes for _, data in fetched.cells) + sum(part.nbytes for part in fetched.parts)
        with space.keeping(checkpoint):
            if not space.host_room(n_bytes):
                return
        for link, data in fetched.cells:
            if link.cells is None and link.row is not None:
                space.copies.chains.put(link, Cells(data, link.start, link.end))
        if fetched.parts:
            space.copies.take_back(checkpoint, fetched.parts)
        if residence.link is not None and not residence.is_loaded:
            residence.is_loaded = True
            residence.link.n_host += 1

    def _failed(self, checkpoint: Checkpoint, n_reserved: int, error: DiskError) -> None:
        self._is_writing = False
        self._space.held.discard(checkpoint)
        self.used_bytes -= n_reserved
        log.warning("a checkpoint could not be stored: %s", error)

    def _damaged(self, checkpoint: Checkpoint, link: Link | None, n_reserved: int, error: DiskError) -> None:
        """Forget what cannot be read any more: a checkpoint, or all whose chains pass through a link."""
        log.warning("stored state is lost, and will be read again: %s", error)
        self._fetching.discard(checkpoint)
        self._space.held.discard(checkpoint)
        self._space.host.give(n_reserved)
        if link is not None and link.cells is None:
            self._evict_users(link, None)
        elif checkpoint.branch is not None and residence_of(checkpoint).is_stored:
            self._lose(checkpoint)

    def _evict_users(self, link: Link, but: Checkpoint | None) -> None:
        """Forget all whose chains pass through a link that is gone."""
        below = set(link.below())
        for user in [c for c in self._space.checkpoints() if residence_of(c).link in below and c is not but]:
            if user.branch is not None:
                self._lose(user)

    def _lose(self, checkpoint: Checkpoint) -> None:
        residence = residence_of(checkpoint)
        if not residence.is_parked:
            self._space.evict(checkpoint)
            return
        if residence.is_stored:
            self.drop(checkpoint)
        self._space.copies.drop_link(checkpoint)

    def _explain_others(self, fingerprint: Mapping[str, str]) -> None:
        """Say why what was stored under other fingerprints is not used."""
        index = self._directory.index
        for number, rows in index.all_checkpoints().items():
            if number != self._model:
                found = differences(json.loads(index.fingerprints()[number]), fingerprint)
                log.info("%d stored checkpoints are of no use here: %s", len(rows), found)

    def _wall(self, at: float) -> float:
        return time.time() - (self._space.clock() - at)

    def _write(
        self,
        checkpoint: Checkpoint,
        scope: str,
        chain: Sequence[tuple[Link, Bytes | None]],
        parts: Sequence[Bytes],
        n_reserved: int,
    ) -> None:
        """On the writer's thread."""
        names: list[str] = []
        try:
            rows = []
            for link, data in chain:
                name, n_bytes = (link.file, link.n_disk_bytes) if data is None else self._directory.write_blob([data])
                names += [] if data is None else [name]
                rows.append(LinkRow(scope, link.start, link.tokens, name, n_bytes, id=link.row))
            file = self._directory.write_blob(parts) if parts else ("", 0)
            names += [file[0]] if parts else []
            times = self._wall(checkpoint.created), self._wall(checkpoint.last_used)
            is_chained = bool(chain)
            row = row_of(checkpoint, scope, file, times, is_chained=is_chained)
            added = self._directory.index.add(self._model, rows, row)
        except DiskError as error:
            self._tell(lambda error=error: self._failed(checkpoint, n_reserved, error))  # type: ignore[misc]
            self._discard(names)
        else:
            self._tell(lambda: self._written(checkpoint, n_reserved, rows, file, added))

    def _read(
        self,
        checkpoint: Checkpoint,
        links: Sequence[tuple[Link, str]],
        file: str,
        n_reserved: int,
        n_disk_bytes: int,
    ) -> None:
        """On the reader's thread."""
        started = time.perf_counter()
        at: Link | None = None
        try:
            cells = []
            for link, name in links:
                at = link
                cells.append((link, self._directory.read_blob(name)[0]))
            at = None
            parts = tuple(self._directory.read_blob(file)) if file else ()
        except DiskError as error:
            self._tell(lambda error=error: self._damaged(checkpoint, at, n_reserved, error))  # type: ignore[misc]
        else:
            seconds = time.perf_counter() - started
            fetched = Fetched(tuple(cells), parts, n_reserved, n_disk_bytes, seconds)
            self._tell(lambda: self._fetched(checkpoint, fetched))

    def _remove(self, row: int) -> None:
        """On the writer's thread."""
        try:
            self._discard(self._directory.index.remove([row]))
        except DiskError as error:
            log.warning("a stored checkpoint could not be removed: %s", error)

    def _touch(self, row: int, last_used: float, n_hits: int) -> None:
        """On the writer's thread."""
        try:
            self._directory.index.touch(row, last_used, n_hits)
        except DiskError as error:
            log.warning("the use of a stored checkpoint could not be noted: %s", error)

    def _discard(self, names: Sequence[str]) -> None:
        try:
            self._directory.delete_blobs(names)
        except DiskError as error:
            log.warning("%s", error)

    def _tell(self, done: Callable[[], None]) -> None:
        self._done.put(done)
        self._wake()
