"""What is to be stored is stored in the end, and nothing that was stored is lost for it."""

from threading import current_thread
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from segue.cache.entries.entry import Entry
from segue.cache.tiers.disk.storing import _REST_S
from segue.memory import MemoryKind
from segue.prefix.checkpoint import Origin
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from segue.storage.keys import entry_key
from tests.cache.desk import Path, at, path, where
from tests.cache.disk_desk import DiskDesk, MakeDesk, serve

KINDS_WITH_CELLS = [kind for kind in MemoryKind if kind.shares_cells]
PROMPT: Path = path(1, 30)


def known(desk: DiskDesk, prompt: Path) -> Entry:
    checkpoint = at(desk, prompt)
    assert checkpoint is not None
    return checkpoint


def read_again(desk: DiskDesk) -> None:
    """The prompt comes once more, and now its logits are kept."""
    assert desk.start(0, PROMPT)
    logits = desk.read(0, PROMPT[len(desk.paths[0]) :])
    desk.save(0, Origin.PROMPT_END, logits=logits)


@pytest.mark.parametrize("kind", MemoryKind)
def test_keys_are_hashed_on_the_writer_s_thread(kind: MemoryKind, make: MakeDesk) -> None:
    """A path may have 150,000 tokens, and the engine's thread has replies to continue."""
    threads: list[str] = []

    def observed(*content: Any) -> bytes:
        threads.append(current_thread().name)
        return entry_key(*content)

    desk = make(kind)
    with patch("segue.storage.keys.entry_key", observed):
        desk.leave(PROMPT)
        desk.store()
    assert threads
    assert all(name.startswith("segue-disk-write") for name in threads)


@pytest.mark.parametrize("is_parked", [True, False])
@pytest.mark.parametrize("kind", KINDS_WITH_CELLS)
def test_others_make_room_for_what_goes_on_from_the_disk(kind: MemoryKind, is_parked: bool, make: MakeDesk) -> None:
    desk = make(kind)
    others = [path(10 + i, 30) for i in range(3)]
    desk.leave(PROMPT)
    desk.store()
    for other in others:
        serve(desk, other)
    desk.store()
    onward = (*PROMPT, *path(2, 10))
    desk.restart(limit_disk_bytes=desk.disk.usage().used_bytes + 60)
    assert desk.start(0, onward, use_cache=False)
    desk.read(0, onward)
    desk.close(0)
    while not known(desk, onward).is_complete_off_device:
        assert desk.cache.maintain(0.0)
    if not is_parked:
        desk.cache.evictor.demote(known(desk, onward), desk.cache.evictor.host_room)
    desk.store()
    assert not all(at(desk, other) for other in others)
    desk.restart()
    assert serve(desk, (*onward, 1)) == 1


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_is_on_disk_stays_until_it_is_there_with_its_logits(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    desk.leave(PROMPT)
    desk.store()
    read_again(desk)
    desk.crash()
    assert serve(desk, (*PROMPT, 1)) == 1


@pytest.mark.parametrize("kind", MemoryKind)
def test_logits_that_come_later_are_stored_too(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    desk.leave(PROMPT)
    desk.store()
    read_again(desk)
    desk.close(0)
    desk.store()
    assert known(desk, PROMPT).stores_logits
    assert len([row for rows in desk.directory.index.all_checkpoints().values() for row in rows]) == 1
    desk.restart()
    assert serve(desk, PROMPT) == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_logits_are_stored_with_the_state_that_only_the_device_has(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    desk.leave(PROMPT)
    desk.store()
    desk.cache.evictor.stored_room(desk.cache.host.budget.limit_bytes)
    read_again(desk)
    desk.close(0)
    desk.store()
    desk.restart()
    assert serve(desk, PROMPT) == 0
    assert serve(desk, (*PROMPT, 1)) == 1


@pytest.mark.parametrize("kind", MemoryKind)
def test_logits_are_not_stored_with_the_state_of_a_lane_that_moved_on(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    desk.leave(PROMPT)
    desk.store()
    desk.restart()
    assert desk.start(0, PROMPT, use_cache=False)
    desk.save(0, Origin.PROMPT_END, logits=desk.read(0, PROMPT))
    desk.read(0, path(2, 10))
    desk.store()
    desk.release(0)
    desk.restart()
    assert serve(desk, (*PROMPT, 1)) == 1


@pytest.mark.parametrize("kind", MemoryKind)
def test_logits_that_cannot_be_written_leave_the_rest_on_disk(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    desk.leave(PROMPT)
    desk.store()
    with patch.object(Directory, "write_blob", side_effect=DiskError("the disk is full")):
        read_again(desk)
        desk.close(0)
        desk.store()
        desk.restart()
    assert serve(desk, (*PROMPT, 1)) == 1


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_could_not_be_written_is_tried_again_after_a_rest(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    with patch.object(Directory, "write_blob", side_effect=DiskError("the disk is full")) as write:
        serve(desk, PROMPT)
        desk.store()
        assert write.call_count == 1, "a disk that is full is left alone for a while"
    for _ in range(int(_REST_S)):
        desk.cache.entries.clock()  # a second passes with each look at it
    serve(desk, path(2, 30))
    desk.store()
    assert "disk" in where(desk, PROMPT)
    assert "disk" in where(desk, path(2, 30))


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_could_not_be_written_is_tried_once_more_at_the_end(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    with patch.object(Directory, "write_blob", side_effect=DiskError("the disk is full")):
        serve(desk, PROMPT)
        desk.store()
    desk.restart()
    assert serve(desk, (*PROMPT, 1)) == 1


@pytest.mark.parametrize("kind", MemoryKind)
def test_logits_out_of_reach_do_not_keep_a_prompt_from_going_on(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, PROMPT)
    desk.restart(limit_host_bytes=0)
    serve(desk, PROMPT)
    found = known(desk, PROMPT)
    assert "parked" in where(desk, PROMPT)
    assert found.has_far_logits
    onward = np.array((*PROMPT, 9, 9, 9), np.int32)
    assert desk.cache.match("", onward, only_near=True).n_start == len(PROMPT)
