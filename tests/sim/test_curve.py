"""Results as curves."""

from dataclasses import replace

from segue.sim.capacity import parse
from segue.sim.curve import comparison
from segue.sim.replay import Result


def test_rooms_rise_and_policies_keep_their_order() -> None:
    plain = Result(
        policy="lru",
        capacity="inf",
        requests=1,
        prompt_tokens=10,
        oracle_hit_tokens=8,
        hit_tokens=4,
        checkpoints_taken=1,
        checkpoints_read_back=1,
        bytes_peak=1,
        ttft_p50_s=0.1,
        ttft_p95_s=0.2,
    )
    rooms = [parse(text) for text in ("inf", "128", "32")]
    results = [
        replace(plain, policy=name, capacity=str(room), hit_tokens=n)
        for name, n in (("segue", 6), ("lru", 4))
        for room in rooms
    ]
    made = comparison("small", rooms, results)
    assert made.capacities == ("32", "128", "inf")
    assert [curve.policy for curve in made.curves] == ["segue", "lru"]
    assert [result.capacity for result in made.curves[0].results] == ["32", "128", "inf"]
    assert made.curves[0].results[0].of_oracle == 0.75
