from dataclasses import replace

import pytest

from segue.cache.entries.entry import Entry
from segue.memory import MemoryKind
from segue.policy.restore import Restore
from tests.cache.desk import Desk, array, at, path, where

KINDS_WITH_CELLS = [kind for kind in MemoryKind if kind.shares_cells]


@pytest.mark.parametrize("kind", MemoryKind)
def test_there_is_no_room_for_more_than_the_limit(kind: MemoryKind) -> None:
    evictor = Desk(kind, limit_host_bytes=100).cache.evictor
    assert evictor.host_room(100)
    assert not evictor.host_room(101)


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_is_worth_least_makes_room_on_the_host(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=0, limit_host_bytes=1000)
    for first in range(20):
        desk.leave(path(first, 20))
    kept = [first for first in range(20) if at(desk, path(first, 20))]
    n_bytes = desk.engine.state_bytes(0, partial=False) + 20 * desk.engine.shape.n_bytes_cell
    assert kept == list(range(20 - len(kept), 20))
    assert len(kept) >= 1000 // (n_bytes + 8 * 12 + 8) - 1


def test_logits_go_before_what_is_parked() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=2, limit_host_bytes=200)
    assert desk.start(0, path(1, 10))
    desk.save(0, logits=desk.read(0, path(1, 10)))
    kept = at(desk, path(1, 10))
    assert kept is not None
    assert kept.logits is not None
    assert desk.cache.evictor.host_room(100)
    assert kept.logits is None
    assert where(desk, path(1, 10)) == ("parked",)
    desk.check()


@pytest.mark.parametrize("kind", MemoryKind)
def test_the_least_valuable_parked_checkpoint_leaves_its_sequence_to_the_next(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=2)
    for first in range(3):
        desk.leave(path(first, 20))
    assert [where(desk, path(first, 20)) for first in range(3)] == [("host",), ("parked",), ("parked",)]
    for first in range(3):
        assert desk.start(0, (*path(first, 20), 9))
        assert len(desk.paths[0]) == 20
        desk.read(0, (9,))
        desk.release(0)


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_a_covered_checkpoint_is_demoted_to_the_part_that_is_its_own(kind: MemoryKind) -> None:
    desk = Desk(kind)
    desk.leave(path(1, 20))
    desk.leave(path(1, 30))
    covered = at(desk, path(1, 20))
    assert covered is not None
    desk.cache.evictor.demote(covered, desk.cache.evictor.host_room)
    state = covered.state
    assert (state is None) == (kind is MemoryKind.ATTENTION)
    assert state is None or state.is_partial
    desk.check()
    assert desk.start(0, path(1, 21))
    assert len(desk.paths[0]) == 20
    desk.read(0, path(1, 21)[20:])


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_what_paths_share_is_stored_once(kind: MemoryKind) -> None:
    desk = Desk(kind)
    prompts = [path(1, 30) + path(first, 10) for first in range(2, 5)]
    for prompt in prompts:
        desk.leave(prompt)
    evictor, shape = desk.cache.evictor, desk.engine.shape
    for prompt in prompts:
        top = at(desk, prompt)
        assert top is not None
        evictor.demote(top, evictor.host_room)
        desk.check()
    n_links = sum(segment.n_bytes for root in evictor.host.segments.roots.values() for segment in root.below())
    assert n_links == (30 + 3 * 10) * shape.n_bytes_cell
    for prompt in prompts:
        assert where(desk, prompt) == ("host",)
        assert desk.start(0, (*prompt, 9))
        assert len(desk.paths[0]) == 40
        desk.read(0, (9,))
        desk.release(0)
        desk.check()


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_a_tail_that_nobody_needs_goes(kind: MemoryKind) -> None:
    desk = Desk(kind)
    prompts = [path(1, 30) + path(first, 10) for first in (2, 3)]
    for prompt in prompts:
        desk.leave(prompt)
    evictor = desk.cache.evictor
    tops = [found for prompt in prompts if (found := at(desk, prompt))]
    for top in tops:
        evictor.demote(top, evictor.host_room)
    n_bytes = [top.state for top in tops]
    used = evictor.host.budget.used_bytes
    evictor.evict(tops[0])
    desk.check()
    freed = used - evictor.host.budget.used_bytes
    assert freed == 10 * desk.engine.shape.n_bytes_cell + (n_bytes[0].n_bytes if n_bytes[0] else 0)
    assert desk.start(0, (*prompts[1], 9))
    assert len(desk.paths[0]) == 40
    desk.read(0, (9,))


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_an_interior_state_goes_while_its_cells_stay(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=0)
    assert desk.start(0, path(1, 30))
    for n in (20, 30):
        desk.read(0, path(1, 30)[len(desk.paths[0]) : n])
        desk.save(0)
    desk.close(0)
    inner = at(desk, path(1, 20))
    assert inner is not None
    desk.cache.evictor.evict(inner)
    desk.check()
    assert desk.start(0, (*path(1, 30), 9))
    assert len(desk.paths[0]) == 30
    desk.read(0, (9,))
    desk.check()


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_freeing_the_cells_of_a_tail_leaves_them_to_the_checkpoint_below(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=1)
    assert desk.start(0, path(1, 30))
    desk.read(0, path(1, 20))
    desk.save(0)
    desk.read(0, path(1, 30)[20:])
    if where(desk, path(1, 20)) == ("parked",):
        evictor, below = desk.cache.evictor, at(desk, path(1, 20))
        assert below is not None
        evictor.demote(below, evictor.host_room)
    desk.close(0)
    assert where(desk, path(1, 30)) == ("parked",)
    desk.cache.host.budget.limit_bytes = desk.cache.host.budget.used_bytes
    assert desk.cache.make_room()
    assert where(desk, path(1, 20)) == ("parked",)
    assert where(desk, path(1, 30)) == ()
    desk.check()
    assert desk.start(0, (*path(1, 20), 9))
    assert len(desk.paths[0]) == 20
    desk.read(0, (9,))


def test_nothing_is_freed_where_nothing_is_parked() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=0)
    desk.leave(path(1, 10))
    assert not desk.cache.make_room()
    assert where(desk, path(1, 10)) == ("host",)


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_what_cannot_live_without_a_holder_goes_with_it(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=1)
    assert desk.start(0, path(1, 30))
    for n in (10, 20, 30):
        desk.read(0, path(1, 30)[len(desk.paths[0]) : n])
        desk.save(0)
    desk.close(0)
    top: Entry | None = at(desk, path(1, 30))
    assert top is not None
    desk.cache.evictor.evict(top)
    assert all(c.is_parked for c in desk.cache.entries.all())
    desk.check()
    assert desk.start(0, path(1, 30))


def test_pinned_checkpoints_outlive_others() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=0, limit_host_bytes=1000)
    assert desk.start(0, path(0, 20))
    desk.read(0, path(0, 20))
    desk.save(0, pin_s=1e6)
    desk.close(0)
    for first in range(1, 9):
        desk.leave(path(first, 20))
    assert where(desk, path(0, 20)) == ("host",)


@pytest.mark.parametrize("kind", [MemoryKind.RECURRENT, MemoryKind.HYBRID])
def test_what_is_pinned_on_a_running_path_outlives_others_that_are_parked(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=8, limit_host_bytes=0)
    for first in range(1, 9):
        desk.leave(path(first, 20))
    assert desk.start(0, path(0, 40))
    for n_tokens in range(10, 41, 10):
        desk.read(0, path(0, 40)[n_tokens - 10 : n_tokens])
        desk.save(0, pin_s=1e6 if n_tokens == 10 else 0.0)
    assert where(desk, path(0, 40)[:10]) == ("parked",)
    desk.close(0)
    desk.check()
    assert where(desk, path(0, 40)[:10]) == ("parked",)


@pytest.mark.parametrize("kind", MemoryKind)
def test_where_all_is_pinned_the_one_used_longest_ago_makes_room(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=0, limit_host_bytes=1000)
    for first in range(60):
        assert desk.start(0, path(first, 20))
        desk.read(0, path(first, 20))
        desk.save(0, pin_s=1e6)
        desk.close(0)
        desk.check()
    kept = [first for first in range(60) if at(desk, path(first, 20))]
    assert kept == list(range(60 - len(kept), 60))
    assert 0 < len(kept) < 60


def test_a_pin_that_is_renewed_outlives_one_that_is_not() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=0, limit_host_bytes=1000)
    for first in (0, 1):
        assert desk.start(0, path(first, 20))
        desk.read(0, path(first, 20))
        desk.save(0, pin_s=1.0)
        desk.close(0)
    desk.cache.pins.renew("", array(path(0, 20)), 1e6)
    desk.cache.pins.renew("", array(path(5, 20)), 1e6)
    for first in range(2, 9):
        desk.leave(path(first, 20))
    assert [where(desk, path(first, 20)) for first in (0, 1)] == [("host",), ()]


def test_a_rewound_lane_holds_no_more_when_what_it_started_from_goes() -> None:
    desk = Desk(MemoryKind.ATTENTION)
    for n in (20, 30):
        desk.leave(path(1, n))
    above, start = at(desk, path(1, 20)), at(desk, path(1, 30))
    assert above is not None
    assert start is not None
    evictor = desk.cache.evictor
    plan = desk.plan((*path(1, 10), 9), "")
    desk.cache.restore(0, replace(plan, restore=Restore(start, 10, with_logits=False))).restore_next()
    evictor.evict(start)
    assert evictor.device.owners.running[0].anchor is above
    assert evictor.device.owners.n_on_running(above) == 10
    assert evictor.device.owners.running_over(above) is None
