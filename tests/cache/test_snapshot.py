"""Parcels: what is packed and unpacked, where memory has no room for all of it."""

from dataclasses import replace

import numpy as np
import pytest

from segue.cache.snapshot import SlotSnapshot, SnapshotError, parse
from segue.engine.state import Bytes
from segue.memory import MemoryKind
from segue.storage.errors import DamagedError
from tests.cache.desk import Desk, Path, array, at, path
from tests.cache.disk_desk import DiskDesk, MakeDesk, serve

N_ENDS = 10
PROMPT = path(1, 10 * N_ENDS)


def filled(desk: DiskDesk) -> None:
    """Store a path with many checkpoints, of which memory keeps none."""
    for end in range(10, len(PROMPT) + 1, 10):
        serve(desk, PROMPT[:end])
    desk.store()


def packed(desk: DiskDesk) -> SlotSnapshot:
    """The path's snapshot, asked for until it is there: with each time that it is not, one more has come to stay."""
    for _ in range(N_ENDS + 1):
        desk._woken.clear()
        desk.disk.collect()
        snapshot = desk.cache.snapshots.pack("", array(PROMPT))
        desk.check()
        if snapshot is not None:
            return snapshot
        desk._wait()
    raise AssertionError("packing does not end")


def unpacked(kind: MemoryKind, snapshot: SlotSnapshot, limit_host_bytes: int = 1 << 20) -> tuple[Desk, int]:
    """A new desk with a snapshot in it, and how many tokens that is said to have brought."""
    desk = Desk(kind, limit_host_bytes=limit_host_bytes)
    n_restored = desk.cache.snapshots.unpack("", parse(snapshot.arrays(), snapshot.fingerprint))
    desk.check()
    return desk, n_restored


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_is_restored_is_what_is_there(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    filled(desk)
    snapshot = packed(desk)
    counts = set()
    for limit in range(0, 6000, 200):
        other, n_restored = unpacked(kind, snapshot, limit)
        assert n_restored == max((c.n_tokens for c in other.cache.entries.all()), default=0)
        counts.add(n_restored)
    assert {0, len(PROMPT)} <= counts


@pytest.mark.parametrize("kind", MemoryKind)
def test_all_is_packed_though_memory_has_no_room_to_fetch_all_at_once(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    filled(desk)
    desk.restart(limit_host_bytes=9000)
    snapshot = packed(desk)
    assert [one.n_tokens for one, _ in snapshot.checkpoints] == list(range(10, len(PROMPT) + 1, 10))
    other, n_restored = unpacked(kind, snapshot)
    assert n_restored == len(PROMPT)
    assert other.start(0, PROMPT)
    assert other.paths[0] == PROMPT


@pytest.mark.parametrize("kind", MemoryKind)
@pytest.mark.parametrize("limit", [5200, 6000, 7000, 8000])
def test_the_deepest_are_packed_where_memory_has_no_room_for_all(
    kind: MemoryKind, limit: int, make: MakeDesk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = make(kind)
    filled(desk)
    desk.restart(limit_host_bytes=limit)
    snapshot = packed(desk)
    n_packed = len(snapshot.checkpoints)
    assert limit < 8000 or len(snapshot.tokens) == len(PROMPT)
    assert (n_packed < N_ENDS) == ("without" in caplog.text and "--cache-ram" in caplog.text)
    other, n_restored = unpacked(kind, snapshot)
    assert n_restored == len(snapshot.tokens) > 0
    assert sum(1 for _ in other.cache.entries.all()) == n_packed


def fetched(desk: DiskDesk, prefix: Path) -> bool:
    """Whether a checkpoint has come from the disk, or is there."""
    found = at(desk, prefix)
    assert found is not None
    if not desk.is_near(found):
        desk._woken.clear()
        desk.disk.collect()
        if not desk.fetch(found):
            return False
        desk._wait()
        desk.disk.collect()
    return True


@pytest.mark.parametrize("kind", MemoryKind)
def test_the_shallow_give_way_to_the_deepest(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    filled(desk)
    desk.restart(limit_host_bytes=9000)
    for end in range(10, len(PROMPT), 10):
        assert fetched(desk, PROMPT[:end])
    # Too little for the last one beside all others.
    desk.cache.host.budget.limit_bytes = desk.cache.host.budget.used_bytes + 4000
    assert len(packed(desk).tokens) == len(PROMPT)


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_is_pinned_gives_way_to_what_is_packed(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    others = [path(first, 40) for first in range(2, 8)]
    for other in others:
        serve(desk, other)
    filled(desk)
    desk.restart(limit_host_bytes=9000)
    for other in others:
        fetched(desk, other)
        desk.cache.pins.renew("", array(other), 1e9)
    assert len(packed(desk).checkpoints) == N_ENDS


@pytest.mark.parametrize("kind", MemoryKind)
def test_where_memory_has_room_for_none_that_is_said_at_once(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    filled(desk)
    desk.restart(limit_host_bytes=2000)
    with pytest.raises(SnapshotError, match="cannot be fetched: the memory of --cache-ram is too small"):
        packed(desk)


def test_what_cannot_be_read_is_left_out(make: MakeDesk, caplog: pytest.LogCaptureFixture) -> None:
    desk = make(MemoryKind.HYBRID)
    filled(desk)
    desk.restart()
    deepest = at(desk, PROMPT)
    assert deepest is not None
    deepest.fetch_after = float("inf")
    assert len(packed(desk).tokens) == len(PROMPT) - 10
    assert "saved up to token 90 of 100, without 1 of its 10 checkpoints" in caplog.text
    desk.restart()
    desk.directory.fails = True
    with pytest.raises(SnapshotError, match="the disk cannot be read"):
        packed(desk)


def replaced(array: Bytes, old: bytes, new: bytes) -> Bytes:
    data = array.tobytes()
    assert old in data
    return np.frombuffer(data.replace(old, new), np.uint8)


@pytest.mark.parametrize("kind", [MemoryKind.RECURRENT, MemoryKind.HYBRID])
def test_arrays_that_are_not_a_checkpoint_s_leave_nothing_behind(kind: MemoryKind, make: MakeDesk) -> None:
    desk = make(kind)
    serve(desk, PROMPT[:30])
    snapshot = desk.cache.snapshots.pack("", array(PROMPT[:30]))
    assert snapshot is not None
    ((one, (head, part, logits)),) = snapshot.checkpoints
    not_arrays, without = "bytes are not those of a checkpoint", "it does not have logits of"
    for wrong, reason in (
        ((), "is not that of the first 30 tokens"),
        ((head, part, logits[:-4]), without),
        ((head, part, logits, logits), not_arrays),
        ((head, part), not_arrays),
        ((part, head, logits), not_arrays),
        ((replaced(head, b'"n_tokens":30', b'"n_tokens":29'), part, logits), "is not that of the first 30 tokens"),
    ):
        other = Desk(kind)
        with pytest.raises(DamagedError, match=reason):
            other.cache.snapshots.unpack("", replace(snapshot, checkpoints=((one, wrong),)))
        other.check()
        assert not list(other.cache.entries.all())


def test_logits_that_should_come_from_the_disk_and_do_not_are_noticed(make: MakeDesk) -> None:
    desk = make(MemoryKind.HYBRID)
    serve(desk, PROMPT)
    desk.restart()
    found = at(desk, PROMPT)
    assert found is not None
    assert found.has_far_logits
    with pytest.raises(DamagedError):
        desk.cache.host.bring_back(found, (np.zeros(8, np.uint8),))
    assert found.state is None
    desk.check()


@pytest.mark.parametrize("n_tokens", [0, -1, 31])
def test_a_checkpoint_beside_the_path_is_no_snapshot(n_tokens: int, make: MakeDesk) -> None:
    desk = make(MemoryKind.HYBRID)
    serve(desk, PROMPT[:30])
    snapshot = desk.cache.snapshots.pack("", array(PROMPT[:30]))
    assert snapshot is not None
    ((one, arrays),) = snapshot.checkpoints
    wrong = replace(snapshot, checkpoints=((replace(one, n_tokens=n_tokens), arrays),))
    with pytest.raises(SnapshotError, match="no saved slot"):
        parse(wrong.arrays(), snapshot.fingerprint)
