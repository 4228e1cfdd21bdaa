"""The share of the time that deferred work takes."""

import pytest

from segue.loop.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def work(pace: Pace, clock: Clock, *, turns: int, batch_s: float, step_s: float, is_busy: bool) -> tuple[int, int]:
    """How many steps are done, and the most turns in a row without one; a batch of a busy engine follows each."""
    n_steps = n_without = most_without = 0
    decoded = clock.now
    for _ in range(turns):
        if pace.begin(decoded, is_busy=is_busy) is not None:
            clock.now += step_s
            pace.end()
            n_steps, n_without = n_steps + 1, 0
        else:
            n_without += 1
        most_without = max(most_without, n_without)
        if is_busy:
            clock.now += batch_s
        decoded = clock.now
    return n_steps, most_without


@pytest.mark.parametrize(("batch_s", "step_s"), [(0.03, 0.3), (0.03, 0.01), (0.5, 0.3), (0.001, 2.0)])
def test_steps_take_a_tenth_of_the_time_at_most(batch_s: float, step_s: float) -> None:
    clock = Clock()
    pace = Pace(clock)
    n_steps, _ = work(pace, clock, turns=20_000, batch_s=batch_s, step_s=step_s, is_busy=True)
    assert 0.08 * clock.now < n_steps * step_s < 0.101 * clock.now + step_s


def test_short_steps_are_never_put_off() -> None:
    clock = Clock()
    pace = Pace(clock)
    _, most_without = work(pace, clock, turns=100, batch_s=0.03, step_s=0.001, is_busy=True)
    assert most_without == 0


def test_without_requests_there_is_no_pause() -> None:
    clock = Clock()
    pace = Pace(clock)
    n_steps, _ = work(pace, clock, turns=100, batch_s=0.0, step_s=0.3, is_busy=False)
    assert n_steps == 100
    assert pace.begin(clock.now, is_busy=True) is None, "the last step was long"


def test_after_another_slow_move_one_turn_is_skipped_and_never_two() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now = 1.0
    assert pace.begin(0.9, is_busy=True) is None
    assert pace.begin(0.9, is_busy=True) == pytest.approx(0.1)
