"""Several models in one process share a directory and its limit."""

import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path as File
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from segue.cache.planner import Plan
from segue.cache.tiers.disk.shared import SharedDisk
from segue.commands.cache.contents import DirectoryContents
from segue.memory import MemoryKind
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from segue.storage.rows import SegmentRow
from tests.cache.desk import Desk, Path, array, path
from tests.cache.disk_desk import quick_directory
from tests.kit.waiting import PATIENCE_S, wait_until


class CheckedLock:
    """A lock under which a disk is always within its limit when it is let go."""

    def __init__(self, disk: SharedDisk) -> None:
        self._disk = disk
        self._lock = Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        is_within = self._disk.used_bytes <= self._disk.limit_bytes
        self._lock.release()
        assert is_within or kind is not None, "the disk is over its limit"


def shared(directory: File, limit_bytes: int) -> SharedDisk:
    """A disk that asserts to be within its limit at every count."""
    disk = SharedDisk(Directory(directory), limit_bytes)
    disk.lock = CheckedLock(disk)  # type: ignore[assignment]
    return disk


def assert_counted(disk: SharedDisk, at: File) -> None:
    """Assert that the files, the index and all counts agree; nothing is under way."""
    n_file_bytes = sum(file.stat().st_size for file in (at / "blobs").iterdir())
    served = {share.model for share in disk.shares}
    n_foreign_bytes = 0
    for model in disk.directory.index.fingerprints():
        if model not in served:
            n_foreign_bytes += sum(row.n_bytes for row in disk.directory.index.segments(model))
            n_foreign_bytes += sum(row.n_bytes for row in disk.directory.index.checkpoints(model))
    assert disk.used_bytes == disk.directory.used_bytes == n_file_bytes
    assert disk.used_bytes == sum(share.used_bytes for share in disk.shares) + n_foreign_bytes


class Tenant(Desk):
    """A desk of one model on a disk that others use too. Hardly anything fits into its memory."""

    def __init__(self, disk: SharedDisk, model: str, kind: MemoryKind = MemoryKind.RECURRENT) -> None:
        super().__init__(kind, n_parked=1, limit_host_bytes=2000, fingerprint={"model": model * 32})
        self.disk = disk
        self.at = disk.directory._blobs.parent
        self.woken = Event()
        self.n_found = self.cache.open_disk(disk, self.woken.set)

    def turn(self) -> None:
        """What a loop does once."""
        self.woken.clear()
        self.cache.collect()
        while self.cache.maintain(0.0):
            pass

    def plan(self, prompt: Path, namespace: str, *, use_cache: bool = True) -> Plan:
        """Where a prompt starts, once that has come from the disk."""
        for _ in range(1000):
            self.woken.clear()
            self.cache.collect()
            plan = self.cache.match(namespace, array(prompt), use_cache=use_cache)
            if plan.is_near:
                return plan
            if not plan.fetch():
                return self.cache.match(namespace, array(prompt), only_near=True)
            assert self.woken.wait(PATIENCE_S)
        raise AssertionError("fetching does not end")

    def n_stored(self) -> int:
        return sum(entry.is_stored for entry in self.cache.entries.all())

    def fill(self, firsts: range) -> None:
        """Read prompts, and store what there is room for."""
        for first in firsts:
            self.leave(path(first, 30))
            store(self)


def store(*tenants: Tenant) -> None:
    """Let every tenant store, and give, until there is nothing to do."""

    def is_done() -> bool:
        for tenant in tenants:
            tenant.turn()
        return all(tenant.cache.evictor.lower.is_idle and not tenant.woken.is_set() for tenant in tenants)

    wait_until(is_done, "tenants that are done")
    for tenant in tenants:
        tenant.check()
        assert tenant.disk.used_bytes <= tenant.disk.limit_bytes
    if len(tenants) == len(tenants[0].disk.shares):
        assert_counted(tenants[0].disk, tenants[0].at)


@pytest.fixture
def directory() -> Iterator[File]:
    with quick_directory() as folder:
        yield folder


def limit_for(n_entries: int) -> int:
    """The bytes that so many entries of 30 tokens take."""
    with quick_directory() as other:
        tenant = Tenant(SharedDisk(Directory(other), 1 << 20), "c")
        tenant.fill(range(1, 2))
        n_bytes = tenant.disk.used_bytes
        tenant.cache.close(PATIENCE_S)
    return n_bytes * n_entries + n_bytes // 2


def test_two_models_keep_their_own_as_long_as_there_is_room(directory: File) -> None:
    disk = shared(directory, limit_for(8))
    a, b = Tenant(disk, "a"), Tenant(disk, "b")
    for first in range(1, 5):
        a.fill(range(first, first + 1))
        b.fill(range(first, first + 1))
    assert (a.n_stored(), b.n_stored()) == (4, 4)
    contents = DirectoryContents.read(directory)
    assert sorted(contents.model_name(one.model) for one in contents.checkpoints) == ["a" * 8] * 4 + ["b" * 8] * 4
    for tenant in (a, b):
        tenant.cache.close(PATIENCE_S)
    with closing(Directory(directory)) as left:
        assert left.used_bytes == sum(left.index.files().values()) == disk.used_bytes


def test_a_model_that_came_first_gives_the_second_its_fair_share_and_no_more(directory: File) -> None:
    disk = shared(directory, limit_for(8))
    a = Tenant(disk, "a")
    a.fill(range(1, 9))
    assert a.n_stored() == 8
    b = Tenant(disk, "b")
    for first in range(1, 9):
        b.leave(path(first, 30))
        store(a, b)
    assert (a.n_stored(), b.n_stored()) == (4, 4)
    for tenant in (a, b):
        tenant.cache.close(PATIENCE_S)


def test_who_has_more_than_a_fair_share_makes_room_itself(directory: File) -> None:
    disk = shared(directory, limit_for(8))
    a, b = Tenant(disk, "a"), Tenant(disk, "b")
    b.fill(range(1, 3))
    for first in range(1, 20):
        a.leave(path(first, 30))
        store(a, b)
    assert (a.n_stored(), b.n_stored()) == (6, 2)
    for tenant in (a, b):
        tenant.cache.close(PATIENCE_S)


def test_what_a_model_leaves_behind_is_there_when_it_comes_back_and_makes_room_first(directory: File) -> None:
    disk = shared(directory, limit_for(8))
    a, b = Tenant(disk, "a"), Tenant(disk, "b")
    a.fill(range(1, 4))
    b.fill(range(1, 4))
    a.cache.close(PATIENCE_S)
    again = Tenant(disk, "a")
    assert again.n_found == 3
    for entry in again.cache.entries.all():
        assert entry.stored is not None
        disk.directory.index.touch(entry.stored.key, time.time() - 1e6, 0)
    again.cache.close(PATIENCE_S)
    b.fill(range(4, 9))
    assert b.n_stored() == 8
    last = Tenant(disk, "a")
    assert last.n_found == 0
    for tenant in (last, b):
        tenant.cache.close(PATIENCE_S)


def test_one_model_has_one_tier(directory: File) -> None:
    disk = SharedDisk(Directory(directory), 1 << 20)
    first = Tenant(disk, "a")
    with pytest.raises(DiskError, match="is served from this cache directory already"):
        Tenant(disk, "a")
    first.cache.close(PATIENCE_S)


def test_who_is_asked_gives_no_more_than_is_lacking(directory: File) -> None:
    disk = shared(directory, limit_for(8))
    a = Tenant(disk, "a")
    a.fill(range(1, 9))
    b = Tenant(disk, "b")
    b.leave(path(1, 30))
    store(a, b)
    assert (a.n_stored(), b.n_stored()) == (7, 1)
    for tenant in (a, b):
        tenant.cache.close(PATIENCE_S)


def test_what_is_lacking_is_asked_for_and_no_more(directory: File) -> None:
    disk = shared(directory, 1000)
    a, b = (disk.join(disk.directory.index.model_id(model), lambda: None) for model in "ab")
    assert a.reserve(700)
    assert not b.reserve(400)
    assert b.ask_for(400)
    assert a.asked_bytes() == 100
    for share in (a, b):
        disk.leave(share)


def test_what_another_model_is_dropping_is_not_loaded(directory: File) -> None:
    """A model comes back while the disk has not done yet what makes room for another one's entry."""
    disk = shared(directory, limit_for(4))
    a, b = Tenant(disk, "a"), Tenant(disk, "b")
    a.fill(range(1, 5))
    a.cache.close(PATIENCE_S)
    b.leave(path(1, 30))
    gate, submit, submitted = Event(), disk.writer.submit, list[object]()

    def recorded(function: Any, *arguments: Any) -> Any:
        submitted.append(function)
        return submit(function, *arguments)

    back: list[Tenant] = []
    with patch.object(disk.writer, "submit", recorded):
        disk.writer.submit(gate.wait, PATIENCE_S)
        b.turn()
        n_before = len(submitted)
        assert n_before > 1
        comes_back = Thread(target=lambda: back.append(Tenant(disk, "a")))
        comes_back.start()
        wait_until(lambda: len(submitted) > n_before or not comes_back.is_alive(), "a model that comes back")
        gate.set()
        comes_back.join()
    assert back[0].n_found == 3
    store(back[0], b)
    assert (back[0].n_stored(), b.n_stored()) == (3, 1)
    for tenant in (back[0], b):
        tenant.cache.close(PATIENCE_S)


def test_who_asks_a_tier_that_is_leaving_is_not_left_waiting(directory: File) -> None:
    disk = shared(directory, 1000)
    woken: list[bool] = []
    a = disk.join(disk.directory.index.model_id("a"), lambda: None)
    b = disk.join(disk.directory.index.model_id("b"), lambda: woken.append(b.ask_for(100)))
    assert a.reserve(1000)
    assert b.ask_for(100)
    a.count(-1000)
    a.used_bytes = 1000  # as if it were to be asked again
    disk.leave(a)
    assert woken == [False], "nobody is left to ask"
    assert b.was_answered()
    assert not b.is_waiting
    disk.leave(b)


def test_who_closes_waits_for_the_room_that_another_tier_gives(directory: File) -> None:
    disk = shared(directory, limit_for(8))
    b = Tenant(disk, "b")
    b.fill(range(1, 9))
    n_collected: list[int] = []

    def come_and_go() -> None:
        a = Tenant(disk, "a")
        a.leave(path(1, 30))
        collect = a.cache.evictor.lower.collect

        def collected() -> None:
            n_collected.append(1)
            collect()

        with patch.object(a.cache.evictor.lower, "collect", collected):
            a.cache.close(PATIENCE_S)

    b.woken.clear()
    visit = Thread(target=come_and_go)
    visit.start()
    wait_until(lambda: not visit.is_alive() or len(n_collected) > 5, "a tier that closes")
    while visit.is_alive():
        b.turn()
    assert b.n_stored() == 7
    again = Tenant(disk, "a")
    assert again.n_found == 1
    for tenant in (again, b):
        tenant.cache.close(PATIENCE_S)


def test_two_models_at_once_never_lose_count(directory: File) -> None:
    """Each on a thread of its own, with room for a few entries in all, coming back now and then."""
    disk = shared(directory, limit_for(6))
    keeper = Tenant(disk, "c")
    failed: list[BaseException] = []

    def serve(model: str, kind: MemoryKind, seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(6):
                tenant = Tenant(disk, model, kind)
                for _ in range(25):
                    if rng.random() < 0.7:
                        tenant.leave(path(rng.randrange(1, 9), rng.choice((12, 30))))
                    tenant.turn()
                    if rng.random() < 0.2:
                        entries = [entry for entry in tenant.cache.entries.all() if entry.is_stored]
                        if entries:
                            tenant.cache.evictor.evict(rng.choice(entries))
                tenant.cache.close(PATIENCE_S)
        except BaseException as error:
            failed.append(error)

    threads = [
        Thread(target=serve, args=("a", MemoryKind.RECURRENT, 1)),
        Thread(target=serve, args=("b", MemoryKind.HYBRID, 2)),
    ]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        keeper.turn()
    assert not failed
    store(keeper)
    assert_counted(disk, directory)
    keeper.cache.close(PATIENCE_S)


@pytest.mark.parametrize("kind", MemoryKind)
def test_entries_that_have_no_place_leave_no_bytes_behind(directory: File, kind: MemoryKind) -> None:
    disk = shared(directory, 1 << 20)
    tenant = Tenant(disk, "a", kind)
    tenant.fill(range(1, 3))
    tenant.cache.close(PATIENCE_S)
    disk = shared(directory, 1 << 20)
    index = disk.directory.index
    (model,) = index.fingerprints()
    row = index.checkpoints(model)[0]
    (own, n_own_bytes), (cells, n_cell_bytes) = (disk.directory.write_blob([np.ones(9, np.uint8)]) for _ in range(2))
    segments = [SegmentRow(row.namespace, 0, np.arange(90, 99, dtype=np.int32), cells, n_cell_bytes)]
    misplaced = replace(row, key=bytes(16), n_tokens=10, tokens=None, file=own, n_bytes=n_own_bytes)
    index.add(model, segments, misplaced)
    disk.used_bytes = disk.directory.used_bytes
    again = Tenant(disk, "a", kind)
    again.check()
    assert again.n_found == 2
    assert not {own, cells} & index.files().keys()
    store(again)
    again.cache.close(PATIENCE_S)
