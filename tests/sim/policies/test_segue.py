"""`segue`: the server's own objects at work."""

import pytest

from segue.policy.retention import Retention
from segue.prefix.checkpoint import Origin
from segue.sim.policies.segue import Segue
from tests.sim.making import join, request, span, store


def test_an_end_and_a_fork_are_kept() -> None:
    policy = Segue(store(), Retention())
    system = span(3000)
    policy.serve(request(join(system, span(500, 10_000))))
    before = policy.serve(request(join(system, span(500, 20_000)), 1))
    assert 0 < before < 3000
    assert policy.serve(request(join(system, span(500, 30_000)), 2)) == 3000


def test_an_exact_repeat_reads_nothing() -> None:
    policy = Segue(store(), Retention())
    policy.serve(request(span(700)))
    assert policy.serve(request(span(700), 1)) == 700


def test_what_is_just_taken_stays_and_room_is_held() -> None:
    made = store(4)
    policy = Segue(made, Retention())
    for i in range(9):
        policy.serve(request(span(400, 1000 * i), i))
        assert len(made.kept) <= 4
        assert policy.serve(request(join(span(400, 1000 * i), span(9, 90_000)), i)) == 400


def test_it_learns_what_is_read_back(monkeypatch: pytest.MonkeyPatch) -> None:
    retention = Retention()
    taken, hit = list[Origin](), list[Origin]()
    monkeypatch.setattr(retention, "record_taken", taken.append)
    monkeypatch.setattr(retention, "record_hit", lambda checkpoint, _: hit.append(checkpoint.origin))
    policy = Segue(store(), retention)
    for i in range(3):
        policy.serve(request(join(span(100), span(i, 500)), i))
    assert hit == [Origin.PROMPT_END, Origin.PROMPT_END]
    assert taken.count(Origin.PROMPT_END) == 3
