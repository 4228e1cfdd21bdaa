"""What is on disk: continued from after a restart, right or known to be lost, and never more than there is room for."""

import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from threading import Event
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from segue.cache.tiers.disk import fetching
from segue.cache.tiers.disk.fetching import Fetched
from segue.memory import MemoryKind
from segue.prefix.match import damaged_upto, evicted_upto
from segue.storage import blobfile
from segue.storage.directory import Directory
from segue.storage.errors import DamagedError, DiskError
from segue.storage.index import Index
from tests.cache.damage import Damage, damage
from tests.cache.desk import Path, array, at, path, where
from tests.cache.disk_desk import DiskDesk, MakeDesk, serve
from tests.cache.disk_machine import DiskMachine
from tests.kit.waiting import PATIENCE_S, wait_until


def conversations() -> list[Path]:
    """Some that share their beginning, and some that do not."""
    return [path(1, 30) + path(first, 10) for first in (2, 3)] + [path(4, 25)]


@pytest.mark.parametrize("kind", MemoryKind)
def test_whatever_is_done_what_is_on_disk_is_right(kind: MemoryKind) -> None:
    machine = type("Machine", (DiskMachine,), {"kind": kind})
    run_state_machine_as_test(machine, settings=settings(max_examples=60, stateful_step_count=40))


@pytest.mark.long
@pytest.mark.parametrize("kind", MemoryKind)
def test_whatever_is_done_for_long_what_is_on_disk_is_right(kind: MemoryKind) -> None:
    machine = type("Machine", (DiskMachine,), {"kind": kind})
    run_state_machine_as_test(machine, settings=settings(max_examples=1500, stateful_step_count=60))


@pytest.mark.parametrize("is_unified", [True, False])
@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("kind", MemoryKind)
def test_conversations_go_on_where_they_were(
    kind: MemoryKind, is_killed: bool, is_unified: bool, make: MakeDesk
) -> None:
    desk = make(kind, is_unified=is_unified, n_parked=4 if is_unified else 0)
    for prompt in conversations():
        serve(desk, prompt)
    desk.store()
    desk.crash() if is_killed else desk.restart()
    assert desk.n_found >= len(conversations())
    for prompt in conversations():
        assert serve(desk, prompt) == 0
        assert serve(desk, (*prompt, 1, 2, 3)) == 3
    desk.store()
    desk.crash() if is_killed else desk.restart()
    for prompt in conversations():
        assert serve(desk, (*prompt, 1, 2, 3)) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_ending_stores_what_is_not_stored_yet(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.restart()
    assert serve(desk, path(1, 30)) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_was_used_is_known_to_be_after_a_restart(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    for first in (1, 2):
        serve(desk, path(first, 30))
    desk.restart()
    assert serve(desk, path(1, 30)) == 0
    with patch.object(Index, "touch", autospec=True, side_effect=Index.touch) as touch:
        desk.restart()
        assert touch.call_count == 1
        desk.restart()
        assert touch.call_count == 1, "what is as it was is not written again"
    used, other = at(desk, path(1, 30)), at(desk, path(2, 30))
    assert used is not None
    assert other is not None
    assert (used.n_hits, other.n_hits) == (1, 0)
    assert used.last_used > other.last_used


@pytest.mark.parametrize("kind", MemoryKind)
def test_logits_that_come_later_are_stored_too(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    desk.leave(path(1, 30))
    desk.store()
    assert desk.start(0, path(1, 30))
    desk.release(0)
    assert desk.start(0, path(1, 30), use_cache=False)
    desk.save(0, logits=desk.read(0, path(1, 30)))
    desk.close(0)
    desk.restart()
    assert serve(desk, path(1, 30)) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_another_model_finds_nothing_and_leaves_what_is_there(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.restart(model="another")
    assert desk.n_found == 0
    assert serve(desk, path(1, 30)) == 30
    desk.restart(model="fake")
    assert serve(desk, path(1, 30)) == 0


def test_another_model_gets_room_in_the_end(make: MakeDesk) -> None:
    desk = make(MemoryKind.HYBRID, limit_disk_bytes=4000)
    for first in range(8):
        serve(desk, path(first, 30))
    desk.store()
    desk.restart(model="another")
    for first in range(8):
        serve(desk, path(first, 30))
        desk.store()
    assert desk.disk.usage().used_bytes > 2000
    desk.restart()
    assert serve(desk, path(7, 30)) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_namespaces_share_nothing_after_a_restart(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30), namespace="mine")
    desk.restart()
    assert serve(desk, path(1, 30), namespace="yours") == 30
    assert serve(desk, path(1, 30), namespace="mine") == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_of_two_rows_for_one_path_the_second_is_forgotten(
    kind: MemoryKind, make: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.store()
    index = desk.directory.index
    (model,) = index.fingerprints()
    (row,) = index.checkpoints(model)
    index.add(model, index.segments(model), replace(row, key=bytes(16), file=None))
    desk.restart()
    assert "has no place in the tree" in caplog.text
    assert [left.key for left in desk.directory.index.checkpoints(model)] == [row.key]
    assert serve(desk, path(1, 30)) == 0


@pytest.mark.parametrize("while_running", [True, False])
@pytest.mark.parametrize("how", Damage)
@pytest.mark.parametrize("kind", MemoryKind)
def test_a_damaged_file_is_a_miss(
    kind: MemoryKind, how: Damage, while_running: bool, make: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(kind)
    for prompt in conversations():
        serve(desk, prompt)
    desk.restart()
    if while_running:
        for i in range(len(desk.files)):
            damage(desk.files, i * 8 + 7, how)
    else:
        at_end = desk.files
        for i in range(len(at_end)):
            damage(at_end, i * 8 + 7, how)
        desk.restart()
    with caplog.at_level(logging.WARNING, "segue.cache"):
        for prompt in conversations():
            serve(desk, (*prompt, 1))
    if while_running and how is not Damage.SWAPPED:
        assert "stored state is lost; its tokens will be read again" in caplog.text
    desk.restart()
    for prompt in conversations():
        assert serve(desk, (*prompt, 1)) == 0


def lost_upto(desk: DiskDesk, prompt: Path) -> tuple[int, int]:
    """How far damaged checkpoints could have served a prompt, and evicted ones."""
    match = desk.cache.entries.tree("").match(array(prompt))
    rewinds = desk.kind is MemoryKind.ATTENTION
    return damaged_upto(match, rewinds=rewinds), evicted_upto(match, rewinds=rewinds)


@pytest.mark.parametrize("how", [Damage.FLIPPED, Damage.TRUNCATED, Damage.DELETED])
@pytest.mark.parametrize("kind", MemoryKind)
def test_what_was_damaged_is_known_from_what_was_evicted(kind: MemoryKind, how: Damage, make: MakeDesk) -> None:
    desk = make(kind)
    damaged, evicted = path(1, 30), path(4, 25)
    for prompt in (damaged, evicted):
        serve(desk, prompt)
    desk.restart()
    found = at(desk, evicted)
    assert found is not None
    desk.cache.evictor.evict(found)
    desk.store()
    for i in range(len(desk.files)):
        damage([desk.files[i]], 7, how)
    assert lost_upto(desk, damaged) == (0, 0)
    assert desk.plan(damaged, "").n_start == 0
    assert lost_upto(desk, damaged) == (30, 0)
    assert lost_upto(desk, evicted) == (0, 25)
    assert serve(desk, damaged) == 30
    assert lost_upto(desk, damaged) == (0, 0), "another one stands there now"
    desk.check()


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_lost_its_file_while_nobody_looked_counts_as_damaged(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    serve(desk, path(4, 25))
    desk.store()
    gone = desk.files[:1]
    desk.end()
    for file in gone:
        file.unlink()
    desk.restart()
    prompts = {30: path(1, 30), 25: path(4, 25)}
    lost = {n: lost_upto(desk, prompt) for n, prompt in prompts.items() if serve(desk, (*prompt, 1)) > 1}
    assert lost
    assert all(upto == (n, 0) for n, upto in lost.items())


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_a_damaged_row_named_counts_as_damaged(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.store()
    index = desk.files[0].parent.parent / "index.sqlite"
    desk.end()
    with closing(sqlite3.connect(index)) as database:
        database.execute("UPDATE checkpoints SET origin = 'mess'")
        database.commit()
    desk.restart()
    assert desk.n_found == 0
    assert lost_upto(desk, path(1, 30)) == (30, 0)
    assert lost_upto(desk, path(4, 25)) == (0, 0)
    assert serve(desk, path(1, 30)) == 30
    assert lost_upto(desk, path(1, 30)) == (0, 0)


@pytest.mark.parametrize("parts", [[], [8], [8, 8], [8, 8, 8]])
@pytest.mark.parametrize("kind", MemoryKind)
def test_a_whole_file_with_other_arrays_is_a_miss(kind: MemoryKind, parts: list[int], make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.store()
    for file in desk.files:
        blobfile.write(file.parent, file.name, [np.zeros(n, np.uint8) for n in parts])
    desk.is_swapped = True
    desk.restart()
    assert serve(desk, path(1, 30)) == 30
    assert serve(desk, path(1, 30)) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_damage_is_found_for_all_who_wait(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.restart()
    for i in range(len(desk.files)):
        damage(desk.files, i, Damage.DELETED)
    found = at(desk, path(1, 30))
    assert found is not None
    assert desk.fetch(found)
    assert desk.fetch(found)
    desk.store()
    assert at(desk, path(1, 30)) is None
    assert serve(desk, path(1, 30)) == 30
    desk.store()
    desk.restart()
    assert serve(desk, path(1, 30)) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_the_disk_fails_to_read_is_a_miss_and_stays(
    kind: MemoryKind, make: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(kind)
    for prompt in conversations():
        serve(desk, prompt)
    desk.restart()
    files = desk.files
    desk.directory.fails = True
    for prompt in conversations():
        found = at(desk, prompt)
        assert found is not None
        assert desk.fetch(found)
        desk.store()
        assert not desk.fetch(found), "it is left alone for a while"
        assert "disk" in where(desk, prompt)
    assert "stored state stays on disk" in caplog.text
    assert "Input/output error" in caplog.text
    assert "is lost" not in caplog.text
    plan = desk.cache.match("", array(conversations()[0]), only_near=True)
    assert (plan.n_start, plan.n_not_fetched) == (0, len(conversations()[0]))
    assert serve(desk, (*path(4, 25), 1)) == 26
    desk.store()
    assert set(files) <= set(desk.files)
    desk.crash()
    for prompt in conversations():
        assert serve(desk, prompt) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_the_disk_failed_to_read_is_tried_again(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.restart()
    found = at(desk, path(1, 30))
    assert found is not None
    desk.directory.fails = True
    assert desk.fetch(found)
    desk.store()
    desk.directory.fails = False
    # Each look at the clock of a desk is a second.
    assert any(desk.fetch(found) for _ in range(100))
    desk.store()
    assert serve(desk, path(1, 30)) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_a_full_disk_loses_nothing_in_memory(
    kind: MemoryKind, make: MakeDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(kind)

    def full(*_: object) -> None:
        raise DiskError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Directory, "write_blob", full)
        for prompt in conversations():
            serve(desk, prompt)
            desk.store()
    if kind is not MemoryKind.ATTENTION:
        assert "the disk is full" in caplog.text
    assert all(serve(desk, prompt) == 0 for prompt in conversations())


@pytest.mark.parametrize("limit", [0, 100, 1200, 3000])
@pytest.mark.parametrize("kind", MemoryKind)
def test_the_disk_is_never_over_its_limit(kind: MemoryKind, limit: int, make: MakeDesk) -> None:
    desk = make(kind, limit_disk_bytes=limit)
    for first in range(12):
        serve(desk, path(first, 30))
        desk.store()
    assert all(serve(desk, path(first, 30)) == 0 for first in range(12)), "what is in memory stays"
    desk.restart()
    n_kept = sum(serve(desk, path(first, 30)) == 0 for first in range(12))
    assert bool(n_kept) == (limit >= 1200)
    desk.restart(limit_disk_bytes=limit // 2)


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_is_worth_least_makes_room_on_disk(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind, limit_disk_bytes=2500)
    assert desk.start(0, path(0, 30))
    desk.save(0, logits=desk.read(0, path(0, 30)), pin_s=1e6)
    desk.close(0)
    for first in range(1, 20):
        desk.leave(path(first, 30))
        desk.store()
    desk.crash()
    kept = [first for first in range(20) if at(desk, path(first, 30))]
    assert kept == [0, *range(20 - len(kept) + 1, 20)]
    assert 1 < len(kept) < 20


@pytest.mark.parametrize("limit", [0, 300, 1000])
@pytest.mark.parametrize("kind", MemoryKind)
def test_a_tiny_host_still_works(kind: MemoryKind, limit: int, make: MakeDesk) -> None:
    desk = make(kind, limit_host_bytes=1 << 20)
    for prompt in conversations():
        serve(desk, prompt)
    desk.restart(limit_host_bytes=limit)
    for _ in range(3):
        for prompt in conversations():
            serve(desk, (*prompt, 1))
        desk.store()
    desk.restart(limit_host_bytes=1 << 20)
    for prompt in conversations():
        assert serve(desk, prompt) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_is_evicted_while_it_is_written_leaves_nothing(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    while not desk.disk.is_busy:
        assert desk.cache.maintain(0.0)
    for checkpoint in list(desk.cache.entries.all()):
        desk.cache.evictor.evict(checkpoint)
    desk.store()
    assert desk.disk.usage().used_bytes == 0
    assert not desk.files


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_is_evicted_while_it_is_fetched_is_read(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.restart()
    found = at(desk, path(1, 30))
    assert found is not None
    assert desk.fetch(found)
    desk.check()
    desk.cache.evictor.evict(found)
    desk.store()
    assert desk.cache.host.budget.reserved_bytes == 0
    assert serve(desk, path(1, 30)) in (1, 30)


@contextmanager
def late_reads(monkeypatch: pytest.MonkeyPatch, *, fail: bool, of: str = "") -> Iterator[None]:
    """What is fetched from here on comes after it, or it, or one file `of` it, is found to be there no more."""
    may_go_on = Event()
    read, read_blob = fetching._read, Directory.read_blob

    def read_late(*arguments: Any) -> Fetched:
        fetched = read(*arguments)
        assert may_go_on.wait(PATIENCE_S)
        return fetched

    def miss(directory: Directory, name: str) -> list[Any]:
        assert may_go_on.wait(PATIENCE_S)
        if of and name != of:
            return read_blob(directory, name)
        raise DamagedError(f"{name} is missing")

    with monkeypatch.context() as patched:
        if fail:
            patched.setattr(Directory, "read_blob", miss)
        else:
            patched.setattr(fetching, "_read", read_late)
        yield
        may_go_on.set()


@pytest.mark.parametrize("fail", [True, False])
@pytest.mark.parametrize("kind", MemoryKind)
def test_a_file_that_goes_with_its_checkpoint_while_it_is_fetched_is_no_loss(
    kind: MemoryKind, fail: bool, make: MakeDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.restart()
    found = at(desk, path(1, 30))
    assert found is not None
    with late_reads(monkeypatch, fail=fail):
        assert desk.fetch(found)
        desk.cache.evictor.evict(found)
        desk.leave(path(1, 30))
        desk.disk.collect()
        while desk.disk.maintain():
            desk.disk.collect()
    desk.store()
    assert "stored state is lost" not in caplog.text
    desk.restart()
    assert serve(desk, (*path(1, 30), 1)) == 1


@pytest.mark.parametrize("fail", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in MemoryKind if kind is not MemoryKind.ATTENTION])
def test_a_file_that_is_replaced_while_it_is_fetched_is_no_loss(
    kind: MemoryKind, fail: bool, make: MakeDesk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(kind)
    desk.leave(path(1, 30))
    desk.restart()
    found = at(desk, path(1, 30))
    assert found is not None
    assert found.stored is not None
    file = found.stored.file or ""
    with late_reads(monkeypatch, fail=fail, of=file):
        assert desk.fetch(found)
        assert desk.start(0, path(1, 30), use_cache=False)
        desk.save(0, logits=desk.read(0, path(1, 30)))
        desk.close(0)

        def is_replaced() -> bool:
            desk.cache.maintain(0.0)
            desk.cache.collect()
            return found.stored is not None and found.stored.file != file

        wait_until(is_replaced, "another file")
    desk.store()
    assert "stored state is lost" not in caplog.text
    desk.restart()
    assert serve(desk, path(1, 30)) == 0


def test_what_is_being_fetched_stays_on_disk_whoever_wants_room(
    make: MakeDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = make(MemoryKind.RECURRENT)
    serve(desk, path(1, 30))
    desk.store()
    desk.restart(limit_disk_bytes=desk.disk.usage().used_bytes * 3 // 2)
    found = at(desk, path(1, 30))
    assert found is not None
    with late_reads(monkeypatch, fail=False):
        assert desk.fetch(found)
        desk.leave(path(2, 30))
        while desk.disk.maintain():
            pass
        assert "disk" in where(desk, path(1, 30))
        desk.leave(path(3, 30))
    desk.store()
    assert serve(desk, path(1, 30)) == 0


def test_a_clock_that_jumped_back_makes_nothing_young_for_ever(make: MakeDesk) -> None:
    desk = make(MemoryKind.RECURRENT)
    serve(desk, path(1, 30))
    desk.store()
    (row,) = next(iter(desk.directory.index.all_checkpoints().values()))
    desk.directory.index.touch(row.key, time.time() + 1e6, 1)
    desk.restart()
    found = at(desk, path(1, 30))
    assert found is not None
    assert found.last_used <= desk.cache.entries.clock()


def test_a_parked_checkpoint_gives_its_cells_while_it_is_written(make: MakeDesk) -> None:
    desk = make(MemoryKind.HYBRID, n_parked=1, n_cells=48)
    desk.leave(path(1, 30))
    while not desk.disk.is_busy:
        assert desk.cache.maintain(0.0)
    assert desk.cache.make_room()
    desk.store()
    assert where(desk, path(1, 30)) == ("host", "disk")


@pytest.mark.parametrize("kind", [MemoryKind.RECURRENT, MemoryKind.HYBRID, MemoryKind.SLIDING_WINDOW])
def test_what_is_held_stays_in_memory_whoever_wants_room(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, path(1, 30))
    desk.store()
    desk.restart()
    evictor = desk.cache.evictor
    found = at(desk, path(1, 30))
    assert found is not None
    assert desk.fetch(found)
    desk.store()
    assert serve(desk, path(1, 30)) == 0
    evictor.in_use.acquire(found)
    host = [c for c in evictor.entries.all() if c.state is not None or c.logits is not None]
    assert found in host
    state, logits = found.state, found.logits
    assert not evictor.stored_room(evictor.host.budget.limit_bytes)
    assert not evictor.host_room(evictor.host.budget.limit_bytes)
    assert found in set(evictor.entries.all())
    assert found.state is state
    assert found.logits is logits
    evictor.in_use.release(found)
    assert evictor.host_room(evictor.host.budget.limit_bytes)
    desk.check()
