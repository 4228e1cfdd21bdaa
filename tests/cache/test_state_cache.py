import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from segue.cache.entries.entry import Entry
from segue.cache.restoration import Restoration
from segue.engine.errors import StateError
from segue.memory import MemoryKind
from segue.prefix.path_limit import PathLimit
from tests.cache.cache_machine import StateCacheMachine
from tests.cache.desk import Desk, Path, array, at, path, where


@pytest.mark.parametrize("kind", MemoryKind)
def test_whatever_is_done_the_cache_stays_whole(kind: MemoryKind) -> None:
    machine = type("Machine", (StateCacheMachine,), {"kind": kind})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40))


@pytest.mark.long
@pytest.mark.parametrize("kind", MemoryKind)
def test_whatever_is_done_for_long_the_cache_stays_whole(kind: MemoryKind) -> None:
    machine = type("Machine", (StateCacheMachine,), {"kind": kind})
    run_state_machine_as_test(machine, settings=settings(max_examples=600, stateful_step_count=80))


def checkpoint_at(desk: Desk, prefix: Path) -> Entry:
    """The checkpoint at the end of a path, which is there."""
    found = at(desk, prefix)
    assert found is not None
    return found


def test_a_parked_window_may_lose_the_cell_that_the_next_token_does_not_see() -> None:
    desk = Desk(MemoryKind.SLIDING_WINDOW, n_parked=1, limit_host_bytes=0, n_cells=64)
    desk.leave(path(1, 8))
    seq = checkpoint_at(desk, path(1, 8)).seq
    assert desk.engine.span(seq) == (0, 7)
    assert desk.start(0, path(2, 56))
    desk.read(0, path(2, 56))
    assert desk.engine.span(seq) == (1, 7)
    assert desk.start(1, path(1, 8))
    desk.read(1, path(1, 8)[len(desk.paths[1]) :])


def test_what_a_checkpoint_goes_on_living_on_is_not_dropped_for_its_sake() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=2, limit_host_bytes=450)
    desk.leave(path(1, 10))
    desk.leave(path(1, 20))
    assert desk.cache.make_room()
    assert [where(desk, path(1, n)) for n in (10, 20)] == [("parked",), ("host",)]
    desk.cache.evictor.demote(checkpoint_at(desk, path(1, 10)), desk.cache.evictor.host_room)
    desk.check()


def test_a_checkpoint_that_needs_no_other_can_always_be_restored() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=1, n_cells=24)
    desk.leave(path(1, 10))
    assert desk.cache.make_room()
    desk.leave(path(1, 20))
    assert [where(desk, path(1, n)) for n in (10, 20)] == [("host",), ("parked",)]
    assert desk.start(0, (*path(1, 10), 9))
    assert len(desk.paths[0]) == 10


@pytest.mark.parametrize("kind", [MemoryKind.ATTENTION, MemoryKind.HYBRID])
def test_a_path_read_twice_gives_its_second_cells_back(kind: MemoryKind) -> None:
    desk = Desk(kind, n_cells=24)
    desk.leave(path(1, 10))
    assert desk.start(0, path(1, 20), use_cache=False)
    desk.read(0, path(1, 10))
    desk.save(0)
    assert desk.read(0, path(1, 20)[10:]) is not None


@pytest.mark.parametrize("kind", [MemoryKind.SLIDING_WINDOW, MemoryKind.HYBRID_WINDOW])
def test_parked_windows_make_room_for_those_that_run(kind: MemoryKind) -> None:
    desk = Desk(kind, n_parked=3, limit_host_bytes=0, n_cells=24)
    assert desk.start(0, path(1, 20))
    for n in (8, 9, 10):
        desk.read(0, path(1, 20)[len(desk.paths[0]) : n])
        desk.save(0)
    assert desk.read(0, path(1, 20)[10:]) is not None


def test_a_sequence_that_leaves_takes_nothing_from_another_one() -> None:
    desk = Desk(MemoryKind.ATTENTION, n_parked=0, limit_host_bytes=0)
    assert desk.start(0, path(1, 10))
    desk.read(0, path(1, 10))
    desk.save(0)
    assert desk.start(1, path(1, 20))
    desk.close(1)
    desk.check()
    assert desk.start(2, path(1, 20))
    assert len(desk.paths[2]) == 10


@pytest.mark.parametrize("kind", [MemoryKind.SLIDING_WINDOW, MemoryKind.HYBRID_WINDOW])
def test_a_parked_window_is_no_larger_than_it_must_be(kind: MemoryKind) -> None:
    desk = Desk(kind)
    desk.leave(path(1, 40))
    seq = checkpoint_at(desk, path(1, 40)).seq
    assert desk.engine.length(seq) == 40
    n_cells = {cells.n_swa: len(cells.of(seq)) for cells in desk.engine.memory.caches(seq)}
    assert n_cells == {0: 40, 8: 8}


@pytest.mark.parametrize("kind", MemoryKind)
def test_namespaces_share_nothing(kind: MemoryKind) -> None:
    desk = Desk(kind)
    desk.leave(path(1, 20), namespace="mine")
    assert desk.start(0, path(1, 20), namespace="yours")
    assert desk.paths[0] == ()
    desk.release(0)
    assert desk.start(0, (*path(1, 20), 1), namespace="mine")
    assert len(desk.paths[0]) == 20


@pytest.mark.parametrize("kind", MemoryKind)
def test_the_end_of_a_prompt_is_restored_with_its_logits(kind: MemoryKind) -> None:
    desk = Desk(kind)
    assert desk.start(0, path(1, 20))
    desk.save(0, logits=desk.read(0, path(1, 20)))
    desk.close(0)
    assert desk.start(0, path(1, 20))
    assert len(desk.paths[0]) == 20


@pytest.mark.parametrize("kind", MemoryKind)
def test_a_moved_sequence_stands_where_it_stood(kind: MemoryKind) -> None:
    desk = Desk(kind)
    assert desk.start(1, path(1, 20))
    desk.read(1, path(1, 10))
    desk.save(1)
    desk.move(1, 0)
    desk.check()
    desk.read(0, path(1, 20)[10:])
    desk.close(0)
    desk.check()


def test_what_is_being_restored_keeps_its_cells_while_room_is_made() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=2, n_cells=36)
    desk.leave(path(1, 10))
    desk.leave(path(1, 20))
    assert desk.cache.make_room()
    desk.cache.evictor.demote(checkpoint_at(desk, path(1, 10)), desk.cache.evictor.host_room)
    desk.leave(path(2, 20))
    assert [where(desk, path(1, n)) for n in (10, 20)] == [("host",), ("host",)]
    desk.cache.host.budget.limit_bytes = desk.cache.host.budget.used_bytes
    assert desk.start(0, (*path(1, 10), 9))
    assert len(desk.paths[0]) == 10
    desk.read(0, (9,))
    desk.check()


def test_a_parked_window_that_was_left_to_a_checkpoint_below_may_lose_that_cell_too() -> None:
    desk = Desk(MemoryKind.SLIDING_WINDOW, n_parked=1, n_cells=64)
    assert desk.start(0, path(1, 30))
    desk.read(0, path(1, 8))
    desk.save(0)
    desk.read(0, path(1, 30)[8:])
    desk.close(0)
    desk.cache.host.budget.limit_bytes = desk.cache.host.budget.used_bytes
    assert desk.cache.make_room()
    seq = checkpoint_at(desk, path(1, 8)).seq
    assert desk.engine.span(seq)[1] == 7
    assert desk.start(0, path(2, 56))
    desk.read(0, path(2, 56))
    assert desk.engine.span(seq) == (1, 7)
    assert desk.start(1, path(1, 8))
    desk.read(1, path(1, 8)[len(desk.paths[1]) :])


@pytest.mark.parametrize("kind", MemoryKind)
def test_the_last_token_can_be_left_to_be_read(kind: MemoryKind) -> None:
    desk = Desk(kind)
    assert desk.start(0, path(1, 20))
    desk.read(0, path(1, 19))
    desk.save(0)
    desk.save(0, logits=desk.read(0, path(1, 20)[19:]))
    assert desk.cache.match("", array(path(1, 20))).n_start == 20
    assert desk.cache.match("", array(path(1, 20)), reads_last=True).n_start == 19


def test_paths_without_checkpoints_are_not_known_for_ever() -> None:
    desk = Desk(MemoryKind.HYBRID, n_parked=1, limit_host_bytes=0)
    desk.cache.known = PathLimit(160)
    for first in range(20):
        desk.leave(path(first, 20))
        assert desk.cache.entries.tree("").n_tokens <= 160


def being_opened() -> tuple[Desk, Path, Restoration]:
    """A desk whose sequence 0 is half way to the end of a path that is on the host, and sequence 1 has read it anew."""
    desk = Desk(MemoryKind.HYBRID)
    prompts = [(*path(1, 20), *path(first, 10)) for first in (2, 3)]
    for prompt in prompts:
        desk.leave(prompt)
    for prompt in prompts:
        desk.cache.evictor.demote(checkpoint_at(desk, prompt), desk.cache.evictor.host_room)
    assert desk.start(1, prompts[1], use_cache=False)
    desk.read(1, prompts[1])
    desk.paths[0], desk.namespaces[0] = prompts[1], ""
    restoration = desk.begin(0, (*prompts[1], 9))
    assert not restoration.is_done, "a chain that is followed to within a segment is put back in two pieces"
    return desk, prompts[1], restoration


def go_on(desk: Desk, restoration: Restoration) -> None:
    """Open sequence 0, and show that it stands right."""
    while not restoration.is_done:
        restoration.restore_next()
    desk.check()
    assert desk.read(0, (9,)) is not None


def test_what_is_being_restored_keeps_its_copies_when_another_sequence_ends_there() -> None:
    desk, _, restoration = being_opened()
    desk.close(1)
    go_on(desk, restoration)


def test_what_is_being_restored_is_not_erased() -> None:
    desk, prompt, restoration = being_opened()
    desk.release(1)
    assert desk.cache.snapshots.erase("", array(prompt)) == 0
    go_on(desk, restoration)
    desk.release(0)
    assert desk.cache.snapshots.erase("", array(prompt)) == len(prompt)


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_the_engine_refuses_goes_alone_and_only_what_is_parked_helps(kind: MemoryKind) -> None:
    desk = Desk(kind)
    desk.leave(path(1, 10))
    desk.leave(path(1, 20))
    desk.cache.evictor.demote(checkpoint_at(desk, path(1, 20)), desk.cache.evictor.host_room)
    assert [where(desk, path(1, n)) for n in (10, 20)] == [("parked",), ("host",)]
    desk.engine.refuses_states = True
    with pytest.raises(StateError):
        desk.start(0, path(1, 30))
    desk.release(0)
    desk.check()
    assert at(desk, path(1, 20)) is None
    assert desk.start(0, path(1, 30))
    assert len(desk.paths[0]) == 10
    desk.read(0, path(1, 30)[10:])


def test_what_the_engine_refuses_half_way_goes_for_all_who_open_it() -> None:
    desk, prompt, first = being_opened()
    desk.release(1)
    desk.paths[1], desk.namespaces[1] = prompt, ""
    second = desk.begin(1, (*prompt, 9))
    assert not second.is_done
    desk.engine.refuses_states = True
    for seq, restoration in enumerate((first, second)):
        with pytest.raises(StateError):
            restoration.restore_next()
        assert at(desk, prompt) is None
        desk.release(seq)
    desk.check()
    # The one that shares the beginning, which was taken, is still there.
    other = (*path(1, 20), *path(2, 10))
    assert at(desk, other) is not None


def test_cells_that_the_engine_refuses_go_for_all_who_share_them() -> None:
    desk = Desk(MemoryKind.HYBRID)
    prompts = [(*path(1, 20), *path(first, 10)) for first in (2, 3, 4)]
    for prompt in prompts:
        desk.leave(prompt)
    for prompt in prompts[:2]:
        desk.cache.evictor.demote(checkpoint_at(desk, prompt), desk.cache.evictor.host_room)
    parked = checkpoint_at(desk, prompts[2])
    assert desk.cache.evictor.copy_all(parked, parked.seq, desk.cache.evictor.host_room)
    desk.engine.refuses_states = True
    with pytest.raises(StateError):
        desk.start(0, (*prompts[0], 9))
    desk.release(0)
    desk.check()
    assert [at(desk, prompt) for prompt in prompts] == [None, None, parked]
    assert desk.cache.host.budget.used_bytes == 0
    assert desk.start(0, (*prompts[2], 9))
    assert len(desk.paths[0]) == 30


def test_what_is_parked_again_gives_its_copies_up() -> None:
    desk = Desk(MemoryKind.HYBRID)
    desk.leave(path(1, 20))
    found = checkpoint_at(desk, path(1, 20))
    desk.cache.evictor.demote(found, desk.cache.evictor.host_room)
    assert desk.cache.host.budget.used_bytes > 0
    assert desk.start(0, (*path(1, 20), 9))
    desk.close(0)
    desk.check()
    assert found.is_parked
    assert desk.cache.host.budget.used_bytes == 0
