"""Fixtures: a rig on simulated memory of each kind."""

from collections.abc import Callable, Iterator

import pytest

from segue.loop.runner import OnEnd
from segue.memory import MemoryKind
from tests.loop.fake_rig import FakeRig, Sizes

MakeFakeRig = Callable[..., FakeRig]


@pytest.fixture(params=list(MemoryKind))
def kind(request: pytest.FixtureRequest) -> MemoryKind:
    """A kind of memory; the test runs on each."""
    found: MemoryKind = request.param
    return found


@pytest.fixture
def make_fake_rig(kind: MemoryKind) -> Iterator[MakeFakeRig]:
    """Makes rigs of the kind; they are checked and closed in the end."""
    rigs: list[FakeRig] = []

    def make(*, reproducible: bool = False, on_end: OnEnd = lambda _id, _end: None, **sizes: int) -> FakeRig:
        rigs.append(FakeRig(kind, Sizes(**sizes), reproducible=reproducible, on_end=on_end))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()
