"""One cache directory with one limit, shared by the disk tiers of all models in a process."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock

from segue.cache.tiers.disk.foreign import ForeignEntries, ForeignEntry
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from segue.storage.rows import EntryRow

log = logging.getLogger("segue.cache")


class Share:
    """One model's share of a shared disk: the bytes it uses, and the requests for room between it and the other tiers.

    `used_bytes` is for its own tier, and for others under the disk's lock. Any thread may call `answer`; the rest
    belongs to the tier's thread.
    """

    def __init__(self, disk: SharedDisk, model: int, wake: Callable[[], None]) -> None:
        self.disk = disk
        self.model = model
        self.wake = wake
        self.used_bytes = 0
        self.is_waiting = False
        """Whether this tier has asked another one for room and has not been answered yet."""
        self._spent_bytes: int | None = None
        self._asked_bytes = 0
        self._asking: dict[Share, None] = {}
        self._is_answered = False

    def count(self, n_bytes: int) -> None:
        """Count so many bytes more, or less; the caller has made room."""
        if self._spent_bytes is not None:
            self._spent_bytes += n_bytes
            return
        with self.disk.lock:
            self.used_bytes += n_bytes
            self.disk.used_bytes += n_bytes

    def reserve(self, n_bytes: int) -> bool:
        """Count so many bytes more if they fit into the limit; False if they do not."""
        with self.disk.lock:
            if self.disk.used_bytes + n_bytes > self.disk.limit_bytes:
                return False
            self.used_bytes += n_bytes
            self.disk.used_bytes += n_bytes
            return True

    @contextmanager
    def spending(self, n_reserved_bytes: int) -> Iterator[None]:
        """Count all that is added within the block in place of a reservation, in one step when the block ends.

        So no other tier finds bytes counted twice, nor takes the room between the reservation and the count.
        """
        self._spent_bytes = 0
        try:
            yield
        finally:
            n_bytes, self._spent_bytes = self._spent_bytes, None
            self.count(n_bytes - n_reserved_bytes)

    def count_existing(self, n_bytes: int) -> None:
        """Count bytes that are on the disk already as this tier's."""
        with self.disk.lock:
            self.used_bytes += n_bytes

    def ask_for(self, n_bytes: int) -> bool:
        """Ask the tier that is furthest over its fair share to make room for bytes; False if it is not its turn to.

        That is so if this tier would be over its own share with them, or if nobody is over theirs. If True, the other
        tier is woken, makes the room that the disk lacks for these bytes, and wakes this one.
        """
        with self.disk.lock:
            fair_bytes = self.disk.limit_bytes // len(self.disk.shares)
            others = [share for share in self.disk.shares if share is not self and share.used_bytes > fair_bytes]
            if self.used_bytes + n_bytes > fair_bytes or not others:
                return False
            other = max(others, key=lambda share: share.used_bytes)
            # None is lacking any more where room has come free since: then the answer is all that is needed.
            n_lacking = self.disk.used_bytes + n_bytes - self.disk.limit_bytes
            is_asked = self in other._asking and n_lacking <= other._asked_bytes
            other._asked_bytes = max(other._asked_bytes, n_lacking)
            other._asking[self] = None
            self.is_waiting = True
        if not is_asked:
            other.wake()
        return True

    def asked_bytes(self) -> int | None:
        """How many bytes other tiers have asked this one to free; None if none has asked."""
        with self.disk.lock:
            return self._asked_bytes if self._asking else None

    def answer(self) -> None:
        """Wake those that asked: there is room now, or no more to be had."""
        with self.disk.lock:
            asking, self._asking, self._asked_bytes = self._asking, {}, 0
            for share in asking:
                share.is_waiting, share._is_answered = False, True
        for share in asking:
            share.wake()

    def was_answered(self) -> bool:
        """Whether a tier that was asked has answered since the last call."""
        with self.disk.lock:
            is_answered, self._is_answered = self._is_answered, False
            return is_answered


class SharedDisk:
    """A directory, its limit, and the threads that touch its files. `used_bytes` is what all files take.

    Each model of the process joins with its tier. A tier that needs room drops entries of its own, or those of models
    that nobody serves here; it asks another tier only while it has less than its fair share and that one has more.
    Any thread may call everything.
    """

    def __init__(self, directory: Directory, limit_bytes: int) -> None:
        self.directory = directory
        self.limit_bytes = limit_bytes
        self.used_bytes = directory.used_bytes
        self.lock = Lock()
        self.shares: list[Share] = []
        self.writer = ThreadPoolExecutor(1, "segue-disk-write")
        self.reader = ThreadPoolExecutor(1, "segue-disk-read")
        self.foreign = ForeignEntries(directory.index)

    def join(self, model: int, wake: Callable[[], None]) -> Share:
        """Add a model's tier, whose entries are foreign no longer; `wake` is called when it has something to do.

        Waits for the writer. Raises DiskError if the model has a tier here already.
        """
        share = Share(self, model, wake)
        with self.lock:
            if any(other.model == model for other in self.shares):
                raise DiskError("this model is served from this cache directory already; use another --cache-dir")
            is_first = not self.shares
            self.shares.append(share)
            self.foreign.remove(model)
        if is_first:
            self._find_foreign()
        # Other tiers may have dropped some of its entries: their rows must have gone before they are read.
        self.writer.submit(lambda: None).result()
        return share

    def _find_foreign(self) -> None:
        """Take in the entries of models that nobody serves; served models' entries are read by their own tiers."""
        for model in self.directory.index.fingerprints():
            if model in self._served():
                continue
            found = self.foreign.read(model)
            with self.lock:
                if model not in self._served():
                    self.foreign.add(found)

    def _served(self) -> set[int]:
        return {share.model for share in self.shares}

    def leave(self, share: Share) -> None:
        """Remove a tier that has nothing under way; the last one closes the directory. Again is harmless.

        Its entries are foreign to the others from now on.
        """
        with self.lock:
            if share not in self.shares:
                return
        try:
            found = self.foreign.read(share.model)
        except DiskError as error:
            log.warning("the entries that a model leaves on the disk stay until the next start: %s", error)
            found = None
        with self.lock:
            self.shares.remove(share)
            is_last = not self.shares
            if found is not None:
                self.foreign.add(found)
        # No tier can ask it any more, and those that have asked must not wait for ever.
        share.answer()
        if is_last:
            self.writer.shutdown()
            self.reader.shutdown()
            self.directory.close()

    def remove_rows(self, rows: Sequence[EntryRow]) -> None:
        """Remove entries that no tier has taken over, and wait until they are gone. Raises DiskError."""

        def remove() -> int:
            before = self.directory.used_bytes
            self.directory.remove_rows(rows)
            return before - self.directory.used_bytes

        n_bytes = self.writer.submit(remove).result()
        with self.lock:
            self.used_bytes -= n_bytes

    def remove_foreign(self, entry: ForeignEntry, remove: Callable[[Sequence[EntryRow]], None]) -> None:
        """Remove the foreign entry that goes next, unless another tier just did; `remove` has the writer do it."""
        with self.lock:
            if self.foreign.first() is entry:
                row, n_bytes = self.foreign.pop()
                remove([row])
                self.used_bytes -= n_bytes

    def first_foreign(self) -> ForeignEntry | None:
        """The foreign entry that goes next."""
        with self.lock:
            return self.foreign.first()
