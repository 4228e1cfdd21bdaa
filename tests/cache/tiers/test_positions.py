"""Where positions differ from token counts, a path keeps them in every file that it comes back from."""

import numpy as np
import pytest

from segue.cache.snapshot import parse
from segue.engine.base import LAST_ROW, Chunk, Logits
from segue.engine.positions import Positions
from segue.memory import MemoryKind
from segue.prefix.checkpoint import Origin
from tests.cache.desk import Desk, array, path
from tests.cache.disk_desk import MakeDesk

PATH, OTHER = path(1, 40), (9, 8, 7)
GAP = Positions(np.arange(7, 17, dtype=np.int32), 17)
IMAGE = Positions(np.zeros(10, np.int32), 4)
"""Ten inputs that share a position, after which the path continues three further on."""


@pytest.fixture(params=[pytest.param(GAP, id="gap"), pytest.param(IMAGE, id="image")])
def positions(request: pytest.FixtureRequest) -> Positions:
    """Those of the tokens from 15 to 25."""
    found: Positions = request.param
    return found


def read(desk: Desk, seq: int, positions: Positions, until: int = len(PATH)) -> None:
    """Read the path on a new sequence, and save the state after the jump and at the end."""
    assert desk.start(seq, PATH, use_cache=False)
    for start, end in ((0, 15), (15, 25), (25, 40)):
        if start < until:
            desk.engine.decode([Chunk(seq, array(PATH[start:end]), (), positions if start == 15 else None)])
            desk.paths[seq] = PATH[:end]
            if start:
                desk.save(seq, Origin.MESSAGE_END)


def read_on(desk: Desk, seq: int) -> Logits:
    row = desk.engine.decode([Chunk(seq, array(OTHER), LAST_ROW)])[0][0]
    return desk.engine.logits(row).copy()


def assert_restored(desk: Desk, positions: Positions) -> None:
    """Assert that both checkpoints come back, and go on as a path does that was never saved."""
    for n in (25, 40):
        assert desk.start(0, (*PATH[:n], *OTHER))
        assert desk.engine.length(0) == n
        assert desk.engine.position(0) == n - 10 + positions.n_pos
        fresh = Desk(desk.kind)
        read(fresh, 0, positions, n)
        assert np.array_equal(read_on(desk, 0), read_on(fresh, 0))
        desk.release(0)
        desk.check()


@pytest.mark.parametrize("kind", MemoryKind)
def test_positions_come_back_from_the_disk(kind: MemoryKind, positions: Positions, make: MakeDesk) -> None:
    desk = make(kind)
    read(desk, 0, positions)
    desk.restart()
    assert_restored(desk, positions)


@pytest.mark.parametrize("kind", MemoryKind)
def test_positions_come_back_from_a_slot_snapshot(kind: MemoryKind, positions: Positions) -> None:
    desk, other = Desk(kind), Desk(kind)
    read(desk, 0, positions)
    desk.close(0)
    snapshot = desk.cache.snapshots.pack("", array(PATH))
    assert snapshot is not None
    assert other.cache.snapshots.unpack("", parse(snapshot.arrays(), snapshot.fingerprint)) == len(PATH)
    assert_restored(other, positions)
