"""A desk whose cache has a disk: it can be restarted, killed, and find its files damaged."""

import errno
import itertools
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path as File
from tempfile import TemporaryDirectory
from threading import Event
from typing import Any
from unittest.mock import patch

from segue.cache.planner import Plan
from segue.cache.tiers.disk.shared import SharedDisk
from segue.cache.tiers.disk.tier import DiskTier
from segue.memory import MemoryTraits
from segue.prefix.checkpoint import Origin
from segue.storage.codec import Bytes
from segue.storage.directory import Directory
from segue.storage.errors import disk_error
from tests.cache.desk import Desk, Path, array, n_restorable
from tests.kit.waiting import PATIENCE_S, wait_until

_N_TRIES = 50


@contextmanager
def quick_directory() -> Iterator[File]:
    """A directory that takes no time to sync, if there is any such."""
    with TemporaryDirectory(prefix="segue-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as name:
        yield File(name)


class Hands:
    """In place of threads: jobs are done when `work` says so, or at once while `is_eager`."""

    def __init__(self) -> None:
        self.is_eager = False
        self._jobs: deque[Job] = deque()

    def __call__(self, _n_threads: int, _name: str) -> "Hands":
        return self

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Job":
        job = Job(self, partial(function, *arguments))
        self._jobs.append(job)
        while self.is_eager and self.work():
            pass
        return job

    def work(self) -> bool:
        """Do the oldest job; False if there is none."""
        if self._jobs:
            self._jobs.popleft().work()
            return True
        return False

    def shutdown(self) -> None:
        while self.work():
            pass


class Job:
    """A job for `Hands`; who waits for what it returns has all older ones done first."""

    def __init__(self, hands: Hands, function: Callable[[], Any]) -> None:
        self._hands = hands
        self._function = function
        self._done: list[Any] = []

    def work(self) -> None:
        self._done.append(self._function())

    def result(self) -> Any:
        while not self._done:
            assert self._hands.work()
        return self._done[0]


class FlakyDirectory(Directory):
    """A directory whose disk cannot be read while it `fails`."""

    fails = False

    def read_blob(self, name: str) -> list[Bytes]:
        if self.fails:
            raise disk_error(f"cannot read {name}", OSError(errno.EIO, os.strerror(errno.EIO)))
        return super().read_blob(name)


class DiskDesk(Desk):
    """A desk on a directory, which every restart keeps and every crash leaves for a copy of it.

    `room` is that of a Desk. With `hands` no thread works. `is_swapped`: somebody else has put files into the place of
    others, so that they have other sizes than they were written with.
    """

    is_swapped = False

    def __init__(
        self,
        kind: MemoryTraits,
        at: File,
        *,
        limit_disk_bytes: int = 1 << 20,
        model: str = "fake",
        hands: Hands | None = None,
        **room: Any,
    ) -> None:
        self._at = at
        self._hands = hands
        self._n_copies = itertools.count()
        self._boot(kind, limit_disk_bytes, model, room)

    def _boot(self, kind: MemoryTraits, limit_disk_bytes: int, model: str, room: dict[str, Any]) -> None:
        super().__init__(kind, fingerprint={"model": model}, **room)
        self._room = room
        self.limit_disk_bytes = limit_disk_bytes
        self.model = model
        self._woken = Event()
        self.directory = FlakyDirectory(self._at)
        workers: Any = (
            patch("segue.cache.tiers.disk.shared.ThreadPoolExecutor", self._hands) if self._hands else nullcontext()
        )
        with workers:
            self.shared = SharedDisk(self.directory, limit_disk_bytes)
        self.n_found = self.cache.open_disk(self.shared, self._woken.set)

    @property
    def disk(self) -> DiskTier:
        disk = self.cache.evictor.lower
        assert isinstance(disk, DiskTier)
        return disk

    @property
    def files(self) -> list[File]:
        """All files of states that have been written, in that order."""
        return [self._at / "blobs" / name for name in self.directory.index.files()]

    def n_file_bytes(self) -> int:
        """What the files of states take, those that are just being written included."""
        n_bytes = 0
        with os.scandir(self._at / "blobs") as entries:
            for entry in entries:
                try:
                    n_bytes += entry.stat().st_size
                except FileNotFoundError:
                    continue
        return n_bytes

    def check(self) -> None:
        super().check()
        assert self.is_swapped or self.n_file_bytes() <= self.limit_disk_bytes
        assert self.disk.usage().used_bytes <= self.limit_disk_bytes
        for checkpoint in self.cache.entries.all():
            if checkpoint.is_stored and checkpoint.segment is not None:
                assert all(segment.is_stored for segment in checkpoint.segment.up())

    def store(self) -> None:
        """Let everything be stored for which there is room."""
        for _ in range(10_000):
            self._woken.clear()
            self.cache.collect()
            if self.cache.maintain(0.0):
                continue
            if self.disk.is_idle:
                break
            self._wait()
        else:
            raise AssertionError("storing does not end")
        self.check()
        for root in self.cache.host.segments.roots.values():
            assert not any(segment.is_being_written for segment in root.below())
        assert self.disk.usage().used_bytes == self.directory.used_bytes
        assert sum(self.directory.index.files().values()) == self.directory.used_bytes
        assert set(os.listdir(self._at / "blobs")) <= self.directory.index.files().keys()

    def _wait(self) -> None:
        """Wait until a thread has done something, or do it."""
        if self._hands:
            self._hands.work()
        assert self._woken.wait(PATIENCE_S)

    def restart(
        self,
        *,
        timeout_s: float = PATIENCE_S,
        limit_disk_bytes: int | None = None,
        model: str | None = None,
        **room: Any,
    ) -> None:
        """End, and begin again on the same directory."""
        for seq in list(self.paths):
            self.close(seq)
        self._end(timeout_s)
        self._reboot(limit_disk_bytes, model, room)

    def crash(self) -> None:
        """Be killed, and begin again on what the disk had at that moment."""
        at = self._at.with_name(f"{self._at.name}-{next(self._n_copies)}")
        self._finish()
        shutil.copytree(self._at, at)
        for seq in list(self.paths):
            self.release(seq)
        self._end(0.0)
        self._at = at
        self._reboot(None, None, {})

    def end(self) -> None:
        """Store nothing more, and leave the directory."""
        self._end(0.0)

    def _end(self, timeout_s: float) -> None:
        if self._hands:
            self._hands.is_eager = True
            self._hands.shutdown()
        self.cache.close(timeout_s)
        if self._hands:
            self._hands.is_eager = False

    def _reboot(self, limit_disk_bytes: int | None, model: str | None, room: dict[str, Any]) -> None:
        limit = self.limit_disk_bytes if limit_disk_bytes is None else limit_disk_bytes
        self._boot(self.kind, limit, model or self.model, {**self._room, **room})
        self._finish()
        self.check()

    def _finish(self) -> None:
        """Let the threads do what they have to do."""

        def is_done() -> bool:
            if self.disk.is_busy:
                if self._hands:
                    self._hands.work()
                self.disk.collect()
            return not self.disk.is_busy

        wait_until(is_done, "threads that are done")

    def plan(self, prompt: Path, namespace: str, *, use_cache: bool = True) -> Plan:
        """Where a prompt starts; what must be fetched for it is fetched, if there is room."""
        for _ in range(_N_TRIES):
            self._woken.clear()
            self.disk.collect()
            plan = super().plan(prompt, namespace, use_cache=use_cache)
            if plan.is_near:
                return plan
            if not plan.fetch():
                return self._near_plan(prompt, namespace)
            self.check()
            self._wait()
        raise AssertionError("fetching does not end")

    def _near_plan(self, prompt: Path, namespace: str) -> Plan:
        plan = self.cache.match(namespace, array(prompt), only_near=True)
        checkpoints = list(self.cache.entries.tree(namespace).checkpoints())
        # Without its last token a prompt ends nowhere, and needs no logits.
        ways = [
            n_restorable(checkpoint, asked, self.engine.shape)
            for asked, with_logits in ((prompt, True), ((*prompt[:-1], -1), False))
            for checkpoint in checkpoints
            if self.is_near(checkpoint, with_logits=with_logits)
        ]
        assert plan.n_start == max(ways, default=0)
        return plan


MakeDesk = Callable[..., DiskDesk]


def serve(desk: DiskDesk, prompt: Path, *, namespace: str = "") -> int:
    """Read a prompt, keep it with its logits, and leave; how many tokens had to be read."""
    seq = desk.idle_seq()
    assert desk.start(seq, prompt, namespace=namespace)
    n_start = len(desk.paths[seq])
    if n_start < len(prompt):
        logits = desk.read(seq, prompt[n_start:])
        desk.save(seq, Origin.PROMPT_END, logits=logits)
    desk.close(seq)
    desk.check()
    return len(prompt) - n_start
