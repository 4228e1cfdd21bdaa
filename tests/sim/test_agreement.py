"""The same requests through the server's loop on simulated memory, and through the simulator: the same hits."""

import random

import numpy as np
import pytest

from segue.sim.capacity import Capacity
from segue.sim.policies.segue import Segue
from segue.sim.request import Request
from segue.sim.store import Store
from segue.state.kind import MemoryKind
from segue.state.retention import Retention
from tests.loop.fake_rig import FakeRig, Sizes, text
from tests.sim.making import MODEL, request

_N_BYTES_STATE = 64


def conversations(seed: int, n: int) -> list[Request]:
    """Users whose prompts grow, turn back and part; no prompt comes twice, since that is a question of logits."""
    draw = random.Random(seed)
    systems = [text(1, 90), text(2, 40)]
    known = [systems[draw.randrange(2)] + text(10 + i, 30) for i in range(6)]
    made, seen = list[Request](), set[tuple[int, ...]]()
    at_s = 0.0
    while len(made) < n:
        i = draw.randrange(len(known))
        kept = known[i] if draw.random() < 0.7 else known[i][: draw.randint(30, len(known[i]))]
        path = kept + text(draw.randrange(1 << 30), draw.randint(1, 60))
        known[i] = path if len(path) < 340 else systems[draw.randrange(2)] + text(draw.randrange(1 << 30), 20)
        if len(path) < 400 and tuple(path) not in seen:
            seen.add(tuple(path))
            at_s += draw.choice((0.5, 3.0, 45.0))
            made.append(request(np.array(path, dtype=np.int32), at_s))
    return made


@pytest.mark.parametrize("n_fit", [8, 20, 1 << 14])
@pytest.mark.parametrize("seed", range(3))
def test_hits_agree_exactly(seed: int, n_fit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = conversations(seed, 120)
    policy = Segue(Store(Capacity(n_fit), MODEL, 1), Retention())
    simulated = [policy.serve(found) for found in requests]

    rig = FakeRig(MemoryKind.RECURRENT, Sizes(n_parked=0, n_host_bytes=n_fit * _N_BYTES_STATE))
    now = [0.0]
    assert rig.engine.shape.n_bytes_state == _N_BYTES_STATE
    keeper = rig.keeper
    monkeypatch.setattr(keeper, "clock", lambda: now[0])
    monkeypatch.setattr(keeper.space, "clock", lambda: now[0])
    # What is measured differs from run to run; the simulator takes the first guesses for it, and counts no logits.
    monkeypatch.setattr(type(rig.loop.cost), "note_read", lambda *_: None)
    monkeypatch.setattr(type(rig.loop.cost), "note_save", lambda *_: None)
    monkeypatch.setattr(type(keeper.prices), "restore_s", lambda *_: 0.0)
    monkeypatch.setattr(keeper.space.copies, "keep_logits", lambda *_: None)
    served = []
    try:
        for found in requests:
            now[0] = found.at_s
            end = rig.ask(found.path.tolist(), 0).wait()
            assert end.timings.cache_n + end.timings.prompt_n == len(found.path)
            served.append(end.timings.cache_n)
    finally:
        rig.close()
    assert served == simulated
    assert sum(simulated) > 0
