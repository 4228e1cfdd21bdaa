"""Several models in one process share a directory and its limit."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path as File
from threading import Event

import pytest

from segue.cache.tiers.disk.shared import SharedDisk
from segue.commands.cache.stock import Stock
from segue.memory import MemoryKind
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from tests.cache.desk import Desk, path
from tests.cache.disk_desk import quick_directory
from tests.kit.waiting import PATIENCE_S, wait_until


class Tenant(Desk):
    """A desk of one model on a disk that others use too. Hardly anything fits into its memory."""

    def __init__(self, disk: SharedDisk, model: str, kind: MemoryKind = MemoryKind.RECURRENT) -> None:
        super().__init__(kind, n_parked=1, limit_host_bytes=2000, fingerprint={"model": model * 32})
        self.disk = disk
        self.woken = Event()
        self.n_found = self.cache.open_disk(disk, self.woken.set)

    def turn(self) -> None:
        """What a loop does once."""
        self.woken.clear()
        self.cache.collect()
        while self.cache.maintain(0.0):
            pass

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
    disk = SharedDisk(Directory(directory), limit_for(8))
    a, b = Tenant(disk, "a"), Tenant(disk, "b")
    for first in range(1, 5):
        a.fill(range(first, first + 1))
        b.fill(range(first, first + 1))
    assert (a.n_stored(), b.n_stored()) == (4, 4)
    stock = Stock.look(directory)
    assert sorted(stock.model_name(one.model) for one in stock.holdings) == ["a" * 8] * 4 + ["b" * 8] * 4
    for tenant in (a, b):
        tenant.cache.close(PATIENCE_S)
    with closing(Directory(directory)) as left:
        assert left.used_bytes == sum(left.index.files().values()) == disk.used_bytes


def test_a_model_that_came_first_gives_the_second_its_fair_share_and_no_more(directory: File) -> None:
    disk = SharedDisk(Directory(directory), limit_for(8))
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
    disk = SharedDisk(Directory(directory), limit_for(8))
    a, b = Tenant(disk, "a"), Tenant(disk, "b")
    b.fill(range(1, 3))
    for first in range(1, 20):
        a.leave(path(first, 30))
        store(a, b)
    assert (a.n_stored(), b.n_stored()) == (6, 2)
    for tenant in (a, b):
        tenant.cache.close(PATIENCE_S)


def test_what_a_model_leaves_behind_is_there_when_it_comes_back_and_makes_room_first(directory: File) -> None:
    disk = SharedDisk(Directory(directory), limit_for(8))
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
