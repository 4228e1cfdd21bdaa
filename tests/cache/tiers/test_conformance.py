"""The tiers of the device and the host, and a toy below them, keep what every tier promises."""

from typing import Any

import pytest

from segue.cache.entries.entry import Entry
from segue.cache.planner import Plan
from segue.cache.tiers.base import Tier
from segue.engine.errors import StateError
from segue.memory import MemoryKind, MemoryTraits
from tests.cache.desk import Desk, Path
from tests.cache.disk_desk import DiskDesk, MakeDesk
from tests.cache.tiers.conformance import MakeTierDesk, TierConformance
from tests.kit.toy_memory import ToyMemory
from tests.kit.toy_tier import Shelf, ToyTier


class TestDevice(TierConformance):
    """What a path leaves is parked at its end."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return Desk

    def tier(self, desk: Desk) -> Tier[Any]:
        return desk.cache.device

    def keep(self, desk: Desk, entry: Entry) -> None:
        if not entry.is_parked:
            assert not desk.cache.device.free_seqs or desk.cache.device.put(entry, desk.idle_lane())

    def spoil(self, desk: Desk, entry: Entry) -> None:
        desk.cache.evictor.lose_copies(entry)
        desk.cache.evictor.evict(entry)


class TestHost(TierConformance):
    """What has been demoted."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return Desk

    def tier(self, desk: Desk) -> Tier[Any]:
        return desk.cache.host

    def keep(self, desk: Desk, entry: Entry) -> None:
        if entry.is_parked:
            desk.cache.evictor.demote(entry)

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


class TestDisk(TierConformance):
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


class ToyDesk(Desk):
    """A desk above a dictionary."""

    def __init__(self, kind: MemoryTraits, **room: Any) -> None:
        super().__init__(kind, **room)
        self.shelf = Shelf()
        self.cache.evictor.lower = ToyTier(self.cache.evictor, self.shelf)

    def plan(self, prompt: Path, scope: str, *, use_cache: bool = True) -> Plan:
        plan = super().plan(prompt, scope, use_cache=use_cache)
        if not plan.is_near:
            assert plan.fetch()
            return super().plan(prompt, scope, use_cache=use_cache)
        return plan


class TestToy(TierConformance):
    """Whatever a dictionary holds."""

    @pytest.fixture
    def make_desk(self) -> MakeTierDesk:
        return ToyDesk

    def tier(self, desk: Desk) -> Tier[Any]:
        return desk.cache.evictor.lower

    def keep(self, desk: Desk, entry: Entry) -> None:
        assert desk.cache.evictor.lower.put(entry, desk.cache.host)
        _leave_above(desk, entry)

    def spoil(self, desk: Desk, entry: Entry) -> None:
        desk.cache.evictor.evict(entry)


def _leave_above(desk: Desk, entry: Entry) -> None:
    """Take an entry off the device and the host."""
    desk.cache.evictor.release_seq(entry)
    desk.cache.host.leave_memory(entry)


@pytest.fixture(params=[*MemoryKind, pytest.param(ToyMemory(), id="toy")])
def kind(request: pytest.FixtureRequest) -> MemoryTraits:
    """A kind of memory that models have, or one that none has."""
    kind: MemoryTraits = request.param
    return kind
