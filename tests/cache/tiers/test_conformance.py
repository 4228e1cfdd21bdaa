"""The tiers of the device and the host, and the disk and a toy below them, keep what every tier promises."""

import errno
import itertools
import os
from collections.abc import Sequence
from pathlib import Path as File
from typing import Any
from unittest.mock import patch

import pytest

from segue.cache.entries.entry import Entry
from segue.cache.planner import Plan
from segue.cache.tiers.base import Tier
from segue.engine.errors import NoRoomError, StateError
from segue.engine.state import Bytes
from segue.memory import MemoryKind, MemoryTraits
from segue.storage import blobfile
from segue.storage.errors import disk_error
from tests.cache.desk import Desk, Path, at
from tests.cache.disk_desk import DiskDesk, MakeDesk
from tests.cache.tiers.conformance import MORE, PROMPT, LowerConformance, MakeTierDesk, TierConformance
from tests.kit.toy_memory import ToyMemory
from tests.kit.toy_tier import Shelf, ToyTier


class TestDevice(TierConformance):
    """What a path leaves is parked at its end."""

    moves_bytes = False

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return Desk

    def tier(self, desk: Desk) -> Tier[Any]:
        return desk.cache.device

    def keep(self, desk: Desk, entry: Entry) -> None:
        if not entry.is_parked:
            assert not desk.cache.device.free_seqs or desk.cache.device.put(entry, desk.idle_seq())

    def spoil(self, desk: Desk, entry: Entry) -> None:
        desk.cache.evictor.lose_copies(entry)
        desk.cache.evictor.evict(entry)

    def limit(self, desk: Desk, n_bytes: int) -> None:
        """It has four sequences."""

    def put_in_vain(self, desk: Desk, prompt: Path) -> None:
        """The cells are full when the sequence has been copied."""
        entry = left(desk, prompt)
        desk.cache.evictor.demote(entry, desk.cache.evictor.host_room)
        assert desk.start(0, PROMPT + MORE)
        assert desk.engine.length(0) == entry.n_tokens
        copy = desk.engine.copy

        def fail(src: int, dst: int, *, trims_window: bool = False) -> None:
            copy(src, dst, trims_window=trims_window)
            raise NoRoomError("the cells are full")

        with patch.object(desk.engine, "copy", fail):
            assert not desk.cache.device.put(entry, 0)
        desk.release(0)


class TestHost(TierConformance):
    """What has been demoted."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return Desk

    def tier(self, desk: Desk) -> Tier[Any]:
        return desk.cache.host

    def keep(self, desk: Desk, entry: Entry) -> None:
        if entry.is_parked:
            desk.cache.evictor.demote(entry, desk.cache.evictor.host_room)

    def spoil(self, desk: Desk, entry: Entry) -> None:  # noqa: ARG002
        """The next state that is put into the context is refused."""
        engine = desk.engine
        refused = [engine.load, engine.put_cells]

        def refuse(*_: Any) -> None:
            for function in refused:
                setattr(engine, function.__name__, function)
            raise StateError("it is of no use")

        for function in refused:
            setattr(engine, function.__name__, refuse)

    def limit(self, desk: Desk, n_bytes: int) -> None:
        desk.cache.host.budget.limit_bytes = n_bytes

    def put_in_vain(self, desk: Desk, prompt: Path) -> None:
        """There is room for all but the last piece."""
        entry = left(desk, prompt)
        pieces = iter([True] * (1 + (desk.kind.shares_cells and desk.kind.has_state_part)))
        assert not desk.cache.evictor.copy_all(entry, entry.seq, lambda _: next(pieces, False))


class TestDisk(LowerConformance):
    """What has been stored, and left memory."""

    @pytest.fixture
    def make_desk(self, make: MakeDesk) -> MakeTierDesk:
        return make

    def tier(self, desk: Desk) -> Tier[Any]:
        return desk.cache.evictor.lower

    def keep(self, desk: Desk, entry: Entry) -> None:
        assert isinstance(desk, DiskDesk)
        desk.store()
        _leave_above(desk, entry)

    def spoil(self, desk: Desk, entry: Entry) -> None:
        assert isinstance(desk, DiskDesk)
        assert entry.stored is not None
        tip = entry.stored.file or (entry.segment.file if entry.segment is not None else "")
        (file,) = (one for one in desk.files if one.name == tip)
        file.write_bytes(file.read_bytes()[:-1])

    def limit(self, desk: Desk, n_bytes: int) -> None:
        assert isinstance(desk, DiskDesk)
        desk.limit_disk_bytes = desk.shared.limit_bytes = n_bytes

    def put_in_vain(self, desk: Desk, prompt: Path) -> None:
        """The disk is full when the last of an entry's files is written."""
        assert isinstance(desk, DiskDesk)
        desk.leave(prompt)
        write, n_whole = blobfile.write, itertools.count()
        n_files = 1 + (desk.kind.shares_cells and desk.kind.has_state_part)

        def fail(directory: File, name: str, parts: Sequence[Bytes], flag: str = "") -> int:
            if next(n_whole) % n_files == n_files - 1:
                raise disk_error("cannot write", OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            return write(directory, name, parts, flag)

        with patch("segue.storage.blobfile.write", fail):
            desk.store()


class ToyDesk(Desk):
    """A desk above a dictionary."""

    def __init__(self, kind: MemoryTraits, **room: Any) -> None:
        super().__init__(kind, **room)
        self.shelf = Shelf()
        self.cache.evictor.lower = ToyTier(self.cache.evictor, self.shelf)

    def plan(self, prompt: Path, namespace: str, *, use_cache: bool = True) -> Plan:
        plan = super().plan(prompt, namespace, use_cache=use_cache)
        if not plan.is_near:
            assert plan.fetch()
            self.check()
            return super().plan(prompt, namespace, use_cache=use_cache)
        return plan


class TestToy(LowerConformance):
    """Whatever a dictionary holds."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return ToyDesk

    def tier(self, desk: Desk) -> Tier[Any]:
        return desk.cache.evictor.lower

    def keep(self, desk: Desk, entry: Entry) -> None:
        if desk.cache.evictor.lower.put(entry, desk.cache.host):
            _leave_above(desk, entry)

    def spoil(self, desk: Desk, entry: Entry) -> None:
        desk.cache.evictor.evict(entry)

    def limit(self, desk: Desk, n_bytes: int) -> None:
        assert isinstance(desk, ToyDesk)
        desk.shelf.limit_bytes = n_bytes

    def put_in_vain(self, desk: Desk, prompt: Path) -> None:
        """The shelf is full."""
        self.limit(desk, self.tier(desk).usage().used_bytes + 1)
        assert not self.tier(desk).put(left(desk, prompt), desk.cache.host)
        self.limit(desk, 1 << 20)


def left(desk: Desk, prompt: Path) -> Entry:
    """The entry at the end of a path that has just been left."""
    desk.leave(prompt)
    entry = at(desk, prompt)
    assert entry is not None
    return entry


def _leave_above(desk: Desk, entry: Entry) -> None:
    """Take an entry off the device and the host."""
    desk.cache.evictor.unpark(entry)
    desk.cache.host.drop(entry)


@pytest.fixture(params=[*MemoryKind, pytest.param(ToyMemory(), id="toy")])
def kind(request: pytest.FixtureRequest) -> MemoryTraits:
    """A kind of memory that models have, or one that none has."""
    kind: MemoryTraits = request.param
    return kind
