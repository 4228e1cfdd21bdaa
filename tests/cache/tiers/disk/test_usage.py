"""What is on disk, and what lives on it."""

import time
from unittest.mock import patch

import pytest

from segue.cache.entries.entry import Entry
from segue.memory import MemoryKind
from segue.policy.retention import Retention
from tests.cache.desk import Path, at, path, where
from tests.cache.disk_desk import DiskDesk, MakeDesk, serve

KINDS_WITH_CELLS = [kind for kind in MemoryKind if kind.shares_cells]
STORED: Path = path(1, 30)
ONWARD: Path = (*STORED, *path(2, 10))


def on_a_stored_segment(desk: DiskDesk) -> tuple[Entry, Entry]:
    """A checkpoint on disk alone, and one that is parked and copied, but not stored, whose chain goes on from it."""
    desk.leave(STORED)
    desk.store()
    desk.restart()
    assert desk.start(0, ONWARD, use_cache=False)
    desk.read(0, ONWARD)
    desk.close(0)
    stored, onward = at(desk, STORED), at(desk, ONWARD)
    assert stored is not None
    assert onward is not None
    while not onward.is_complete_off_device:
        assert desk.cache.maintain(0.0)
    assert where(desk, ONWARD) == ("parked", "host")
    assert not onward.has_loaded_chain, "the cells of the first segment are on disk alone"
    return stored, onward


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_what_is_parked_outlives_a_link_on_disk_that_it_was_copied_behind(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    stored, onward = on_a_stored_segment(desk)
    desk.cache.evictor.evict(stored)
    desk.check()
    assert at(desk, ONWARD) is onward
    desk.store()
    desk.restart()
    assert serve(desk, (*ONWARD, 1)) == 1


@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_what_is_copied_behind_a_segment_on_disk_alone_goes_with_it(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    stored, onward = on_a_stored_segment(desk)
    desk.cache.evictor.demote(onward, desk.cache.evictor.host_room)
    desk.check()
    desk.cache.evictor.evict(stored)
    desk.check()
    assert at(desk, ONWARD) is None
    desk.store()
    assert serve(desk, ONWARD) == len(ONWARD)


@pytest.mark.parametrize("kind", MemoryKind)
def test_logits_that_leave_memory_come_back_from_the_disk(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, STORED)
    desk.store()
    evictor = desk.cache.evictor
    evictor.stored_room(evictor.host.budget.limit_bytes)
    stored = at(desk, STORED)
    assert stored is not None
    assert stored.logits is None
    assert serve(desk, STORED) == 0


def use_all(desk: DiskDesk, at_s: float) -> None:
    """Let all that is stored have been used last at a time of the wall clock."""
    for rows in desk.directory.index.all_checkpoints().values():
        for row in rows:
            desk.directory.index.touch(row.key, at_s, 0)


@pytest.mark.parametrize("idle_s", [1e6, -1e6])
def test_what_another_model_has_goes_if_it_was_used_longer_ago(idle_s: float, make: MakeDesk) -> None:
    desk = make(MemoryKind.RECURRENT, limit_disk_bytes=2500)
    desk.leave(STORED)
    desk.store()
    use_all(desk, time.time() - idle_s)
    desk.restart(model="another")
    for first in range(2, 22):
        desk.leave(path(first, 30))
        desk.store()
    desk.restart(model="another")
    assert 1 < desk.n_found < 20
    desk.restart(model="fake")
    assert desk.n_found == (idle_s < 0)


def test_what_stays_since_another_model_s_goes_is_the_next_all_the_same(make: MakeDesk) -> None:
    desk = make(MemoryKind.RECURRENT)
    for first in range(4):
        desk.leave(path(first, 20))
    desk.store()
    use_all(desk, time.time() - 1e6)
    desk.restart(model="another")
    for first in range(40):
        desk.leave(path(first, 20))
    desk.store()
    n_bytes = desk.disk.usage().used_bytes // 44
    desk.restart(limit_disk_bytes=38 * n_bytes + n_bytes // 2)
    assert [first for first in range(40) if at(desk, path(first, 20))] == list(range(2, 40))


def test_many_that_go_are_ranked_a_few_times(make: MakeDesk) -> None:
    desk = make(MemoryKind.RECURRENT)
    for first in range(80):
        desk.leave(path(first, 20))
    desk.store()
    n_stored = len(desk.files)
    with patch.object(Retention, "ranked", autospec=True, side_effect=Retention.ranked) as ranked:
        desk.restart(limit_disk_bytes=desk.disk.usage().used_bytes // 2)
    n_gone = n_stored - len(desk.files)
    assert n_gone >= 40
    assert 0 < ranked.call_count <= n_gone // 3
    kept = [first for first in range(80) if at(desk, path(first, 20))]
    assert kept == list(range(80 - len(kept), 80)), "what was used longest ago goes first"


def test_what_is_pinned_outlives_the_other_model_s(make: MakeDesk) -> None:
    desk = make(MemoryKind.RECURRENT)
    desk.leave(path(0, 20))
    desk.store()
    use_all(desk, time.time() - 1e6)
    (rows,) = desk.directory.index.all_checkpoints().values()
    desk.directory.index.pin(rows[0].key, True)
    desk.restart(model="another")
    for first in range(1, 9):
        desk.leave(path(first, 20))
    desk.store()
    n_bytes = desk.disk.usage().used_bytes // 9
    desk.restart(limit_disk_bytes=3 * n_bytes + n_bytes // 2)
    assert [first for first in range(1, 9) if at(desk, path(first, 20))] == [7, 8]
    desk.restart(model="fake")
    assert at(desk, path(0, 20)) is not None
