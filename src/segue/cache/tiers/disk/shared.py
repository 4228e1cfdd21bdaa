"""One cache directory with one limit, shared by the disk tiers of all models in a process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from segue.cache.tiers.disk.foreign import ForeignEntries, ForeignEntry
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from segue.storage.rows import EntryRow


class Share:
    """What one model's tier uses of a shared disk. All but `used_bytes` may be called by any thread."""

    def __init__(self, disk: SharedDisk, model: int, wake: Callable[[], None]) -> None:
        self.disk = disk
        self.model = model
        self.wake = wake
        self.used_bytes = 0
        self._asked_bytes = 0
        self._waiting: list[Share] = []
        self._is_answered = False

    def add(self, n_bytes: int) -> None:
        """Count so many bytes more, or less; the caller has made room."""
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

    def adopt(self, n_bytes: int) -> None:
        """Count so many bytes as this tier's that are on the disk already."""
        self.used_bytes += n_bytes

    def ask_for(self, n_bytes: int) -> bool:
        """Ask the tier that is furthest over its fair share for bytes, unless this one would be over its own then.

        If True, it is woken to give them, and wakes this one when it has.
        """
        with self.disk.lock:
            fair_bytes = self.disk.limit_bytes // len(self.disk.shares)
            others = [share for share in self.disk.shares if share is not self and share.used_bytes > fair_bytes]
            if self.used_bytes + n_bytes > fair_bytes or not others:
                return False
            other = max(others, key=lambda share: share.used_bytes)
            other._asked_bytes = max(other._asked_bytes, n_bytes)
            other._waiting.append(self)
        other.wake()
        return True

    def asked_bytes(self) -> int:
        """How much other tiers have asked this one to give."""
        return self._asked_bytes

    def answer(self) -> None:
        """Wake those that asked: there is room now, or no more to be had."""
        with self.disk.lock:
            waiting, self._waiting, self._asked_bytes = self._waiting, [], 0
        for share in waiting:
            share._is_answered = True
            share.wake()

    def was_answered(self) -> bool:
        """Whether a tier that was asked has answered since the last call."""
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
        for model in directory.index.fingerprints():
            self.foreign.add(model)

    def join(self, model: int, wake: Callable[[], None]) -> Share:
        """Add a model's tier, whose entries are foreign no longer; `wake` is called when it has something to do.

        Waits for the writer. Raises DiskError if the model has a tier here already.
        """
        share = Share(self, model, wake)
        with self.lock:
            if any(other.model == model for other in self.shares):
                raise DiskError("this model is served from this cache directory already; use another --cache-dir")
            self.shares.append(share)
            self.foreign.remove(model)
        # Other tiers may have dropped some of its entries: their rows must have gone before they are read.
        self.writer.submit(lambda: None).result()
        return share

    def leave(self, share: Share) -> None:
        """Remove a tier that has nothing under way; the last one closes the directory. Again is harmless.

        What the others find of it is foreign from now on.
        """
        share.answer()
        with self.lock:
            if share not in self.shares:
                return
            self.shares.remove(share)
            if self.shares:
                self.foreign.add(share.model)
                return
        self.writer.shutdown()
        self.reader.shutdown()
        self.directory.close()

    def drop_foreign(self, entry: ForeignEntry, remove: Callable[[Sequence[EntryRow]], None]) -> None:
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
