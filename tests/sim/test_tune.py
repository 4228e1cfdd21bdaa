"""The search for parameters."""

from segue.policy.retention import RetentionParameters
from segue.prefix.checkpoint import Origin
from segue.sim.capacity import Capacity
from segue.sim.trace import Trace
from segue.sim.tune import Bench, Knob, n_tries, tune
from tests.sim.making import MODEL, join, request, span


def test_a_knob_turns_one_number() -> None:
    plain = RetentionParameters()
    assert Knob("fork_s").turned(plain, 2.0).fork_s == 2 * plain.fork_s
    turned = Knob("priors", Origin.VOLATILE).turned(plain, 4.0)
    assert turned.priors == {**plain.priors, Origin.VOLATILE: 1.0}
    assert plain == RetentionParameters()


def test_what_is_found_is_no_worse_and_said_rightly() -> None:
    requests, at_s = [], 0.0
    for turn in range(12):
        for user in range(6):
            at_s += 7.0
            path = join(span(400, 10_000 * user), span(90 * turn, 10_000 * user + 5_000))
            requests.append(request(path, at_s))
    bench = Bench(Trace("small", 1, tuple(requests)), (Capacity(4), Capacity(8)), MODEL)
    before = bench.shares(RetentionParameters())
    n = []
    tuned = tune(bench, lambda: n.append(1))
    assert tuned.share >= sum(before) / 2
    assert tuned.share == sum(bench.shares(tuned.parameters)) / 2
    assert len(n) <= n_tries()
