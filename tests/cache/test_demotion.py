"""Idle parked paths leave the device before they slow the others."""

import pytest

from segue.memory import MemoryKind
from tests.cache.desk import Desk, at, path, where

KINDS_WITH_CELLS = [kind for kind in MemoryKind if kind.shares_cells]


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_idle_paths_leave_the_device_when_another_is_read(kind: MemoryKind) -> None:
    desk = Desk(kind, n_idle_cells=50)
    for first in range(3):
        desk.leave(path(first, 40))
    tidy(desk)
    assert desk.cache.demotion.n_cells() == 40
    assert _n_used(desk) == 80, "the path used last stays, and slows nobody"
    assert desk.start(0, path(3, 60))
    tidy(desk)
    assert desk.cache.demotion.n_cells() == 40
    assert _n_used(desk) == 40
    desk.read(0, path(3, 60))
    desk.check()
    for first in range(3):
        found = at(desk, path(first, 40))
        assert found is not None
        assert desk.start(1, (*path(first, 40), 9))
        assert len(desk.paths[1]) == 40, "nothing was dropped"
        desk.read(1, (9,))
        desk.release(1)


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_the_path_used_last_is_copied_while_nobody_runs_and_leaves_in_one_step(kind: MemoryKind) -> None:
    desk = Desk(kind, n_idle_cells=0)
    desk.leave(path(1, 200))
    tidy(desk)
    parked = at(desk, path(1, 200))
    assert parked is not None
    assert where(desk, path(1, 200)) == ("parked", "host")
    assert parked.is_complete_off_device
    assert desk.start(0, path(2, 20))
    desk.cache.maintain(0.0)
    assert _n_used(desk) == 0
    desk.read(0, path(2, 20))
    desk.check()


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_a_long_path_is_copied_piece_by_piece(kind: MemoryKind, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(kind, n_idle_cells=0)
    monkeypatch.setattr(desk.cache.evictor.host, "_n_piece", 64)
    desk.leave(path(1, 200))
    assert desk.start(0, path(2, 20))
    parked = at(desk, path(1, 200))
    assert parked is not None
    covered = []
    while desk.cache.maintain(0.0):
        covered.append(parked.n_covered)
        desk.check()
    assert covered[:4] == [64, 128, 192, 200]
    assert _n_used(desk) == 0
    desk.read(0, path(2, 20))
    desk.check()


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_the_longest_idle_path_leaves_first(kind: MemoryKind) -> None:
    desk = Desk(kind, n_idle_cells=50)
    desk.leave(path(1, 10))
    desk.leave(path(2, 60))
    desk.leave(path(1, 20))
    assert desk.start(0, path(3, 20))
    tidy(desk)
    assert (where(desk, path(1, 20)), where(desk, path(2, 60))) == (("parked",), ("host",))
    desk.read(0, path(3, 20))
    desk.check()


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_what_a_running_lane_shares_is_not_idle(kind: MemoryKind) -> None:
    desk = Desk(kind, n_idle_cells=0)
    desk.leave(path(1, 40))
    assert desk.start(0, (*path(1, 40), 9))
    tidy(desk)
    assert desk.cache.demotion.n_cells() == 0
    assert where(desk, path(1, 40)) == ("parked",)
    desk.read(0, (9,))
    desk.check()


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_without_room_on_the_host_idle_paths_stay(kind: MemoryKind) -> None:
    desk = Desk(kind, n_idle_cells=0, limit_host_bytes=10)
    desk.leave(path(1, 40))
    assert desk.start(0, path(2, 20))
    tidy(desk)
    assert desk.cache.demotion.n_cells() == 40
    desk.read(0, path(2, 20))
    desk.check()


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_checkpoints_of_an_idle_path_live_on_its_end(kind: MemoryKind) -> None:
    desk = Desk(kind, n_idle_cells=0)
    desk.leave(path(1, 30))
    desk.leave(path(1, 60))
    assert desk.start(0, path(2, 20))
    tidy(desk)
    assert _n_used(desk) == 0
    desk.read(0, path(2, 20))
    desk.check()
    middle = at(desk, path(1, 30))
    assert middle is not None
    state = middle.state
    assert state is None or state.is_partial


def tidy(desk: Desk) -> None:
    """Let the cache do all that can wait."""
    while desk.cache.maintain(0.0):
        desk.check()


def _n_used(desk: Desk) -> int:
    """Attention cells in use."""
    return int(desk.engine.memory.caches(0)[0].seqs.any(axis=1).sum())
