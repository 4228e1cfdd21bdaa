"""What must be copied before a parked entry can leave the device, and when that is worth the time."""

import pytest

from segue.cache.entries.entry import Entry
from segue.memory import MemoryKind
from tests.cache.desk import Desk, at, path, where
from tests.kit.fake_engine.memory import N_BYTES_CELL, N_BYTES_RECURRENT

STATE, CELL = N_BYTES_RECURRENT, N_BYTES_CELL


def desk_with_two(kind: MemoryKind) -> tuple[Desk, Entry, Entry]:
    """Two parked entries of a path, the second of which ends four tokens after the first, where copies are slow."""
    desk = Desk(kind, n_parked=2)
    assert desk.start(0, path(1, 44))
    desk.read(0, path(1, 44)[:40])
    desk.save(0)
    desk.read(0, path(1, 44)[40:])
    desk.close(0)
    middle, end = at(desk, path(1, 40)), at(desk, path(1, 44))
    assert middle is not None
    assert end is not None
    assert middle.is_parked
    assert end.is_parked
    prices = desk.cache.prices
    prices.token_s, prices.save_bytes_s, prices.load_bytes_s = 0.1, 1.2e3, 1.2e3
    return desk, middle, end


def test_what_others_keep_need_not_be_copied() -> None:
    desk, middle, end = desk_with_two(MemoryKind.HYBRID)
    costs, evictor = desk.cache.evictor.costs, desk.cache.evictor
    assert costs.n_bytes(middle) == STATE
    assert costs.n_bytes(end) == STATE + (STATE + 4 * CELL)
    assert evictor.demote(middle, evictor.host_room)
    assert costs.n_bytes(end) == STATE + (STATE + 44 * CELL)
    assert evictor.copy_all(end, end.seq, evictor.host_room)
    assert costs.n_bytes(end) == 0
    desk.check()


def test_an_entry_saves_what_depends_on_its_cells() -> None:
    desk, middle, end = desk_with_two(MemoryKind.HYBRID)
    costs, evictor = desk.cache.evictor.costs, desk.cache.evictor
    assert not costs.are_worth_it(end), "four tokens are read faster than they are copied"
    assert not evictor.demote(end, evictor.host_room)
    assert end.is_parked
    assert evictor.demote(middle, evictor.host_room)
    assert costs.are_worth_it(end), "with it, forty-four tokens would be lost"
    assert evictor.demote(end, evictor.host_room)
    for n_tokens in (40, 44):
        assert desk.start(0, (*path(1, n_tokens), 9))
        assert len(desk.paths[0]) == n_tokens
        desk.read(0, (9,))
        desk.release(0)
    desk.check()


def test_what_is_pinned_is_worth_a_copy() -> None:
    desk, _, end = desk_with_two(MemoryKind.HYBRID)
    end.pinned = True
    assert desk.cache.evictor.costs.are_worth_it(end)


def test_a_recurrent_entry_costs_its_state() -> None:
    desk, middle, end = desk_with_two(MemoryKind.RECURRENT)
    costs = desk.cache.evictor.costs
    assert costs.n_bytes(middle) == costs.n_bytes(end) == STATE
    assert (costs.are_worth_it(middle), costs.are_worth_it(end)) == (True, True)
    desk.cache.prices.save_bytes_s = desk.cache.prices.load_bytes_s = 400
    assert (costs.are_worth_it(middle), costs.are_worth_it(end)) == (True, False)


def test_freeing_a_sequence_loses_less_of_what_has_a_copy() -> None:
    desk, middle, end = desk_with_two(MemoryKind.RECURRENT)
    costs, prices = desk.cache.evictor.costs, desk.cache.prices
    assert costs.n_saved_per_loss(middle) == 1000
    assert desk.cache.host.copy_state(middle, middle.seq, desk.cache.evictor.host_room)
    assert costs.n_saved_per_loss(middle) == int(1000 * 40 * prices.token_s / prices.load_s(STATE))
    assert costs.n_saved_per_loss(end) == 1000
    prices.token_s = 0.0
    assert costs.n_saved_per_loss(middle) == 1000


def test_cells_are_freed_without_a_copy_where_copies_are_slow() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=2)
    desk.leave(path(1, 40))
    desk.leave(path(2, 100))
    copied, other = at(desk, path(2, 100)), at(desk, path(1, 40))
    assert copied is not None
    assert other is not None
    evictor, prices = desk.cache.evictor, desk.cache.prices
    assert evictor.copy_all(copied, copied.seq, evictor.host_room)
    prices.token_s, prices.save_bytes_s, prices.load_bytes_s = 1e-3, 10e3, 10e3
    assert evictor.free_cells()
    assert (copied.is_parked, copied.is_attached) == (False, True)
    assert (other.is_parked, other.is_complete_off_device) == (True, False)
    desk.check()


@pytest.mark.parametrize(("bytes_s", "tiers"), [(1e3, ("parked", "host")), (10e9, ("parked",))])
def test_a_copy_is_kept_beside_what_is_parked_where_copies_are_slow(bytes_s: float, tiers: tuple[str, ...]) -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=2)
    desk.leave(path(1, 300))
    evictor, prices = desk.cache.evictor, desk.cache.prices
    entry = at(desk, path(1, 300))
    assert entry is not None
    assert evictor.demote(entry, evictor.host_room)
    assert where(desk, path(1, 300)) == ("host",)
    prices.token_s, prices.save_bytes_s, prices.load_bytes_s = 1e-4, bytes_s, 10e9
    desk.start(0, (*path(1, 300), 9))
    desk.close(0)
    assert where(desk, path(1, 300)) == tiers
    desk.check()
