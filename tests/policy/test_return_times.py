import pytest

from segue.policy.return_times import ReturnTimes
from segue.prefix.visit import Visit

NOW = 100_000.0


def visit(ended: float, *, n_turns: int = 0, gap_s: float | None = None, n_known: int = 0) -> Visit:
    return Visit(
        arrived=ended,
        n_known=n_known,
        before=None,
        ended=ended,
        n_tokens=1000,
        n_turns=n_turns,
        gap_s=gap_s,
        continues=n_turns > 0,
    )


def learn(returns: ReturnTimes, n: int, after_s: float | None, **of: float) -> None:
    """Conversations that ended long ago, and went on so many seconds later or never."""
    for _ in range(n):
        seen = visit(NOW - 50_000, **of)  # type: ignore[arg-type]
        seen.returned_after_s = after_s
        returns.record(seen)


def learned() -> ReturnTimes:
    return ReturnTimes(n_prior=20, p_prior=0.03)


def test_who_returns_in_seconds_is_worth_more_by_the_second_than_who_returns_in_minutes() -> None:
    returns = learned()
    learn(returns, 500, 10.0, n_turns=3, gap_s=10.0)
    learn(returns, 500, 300.0, n_turns=3, gap_s=300.0)
    soon = returns.rate(visit(NOW, n_turns=3, gap_s=10.0), NOW)
    late = returns.rate(visit(NOW, n_turns=3, gap_s=300.0), NOW)
    assert soon > 15 * late
    # To wait until then pays, and not longer.
    assert soon == pytest.approx(1 / 10, rel=0.3)
    assert late == pytest.approx(1 / 300, rel=0.3)


def test_who_is_late_is_given_up() -> None:
    returns = learned()
    learn(returns, 500, 10.0)
    assert returns.rate(visit(NOW - 100), NOW) < returns.rate(visit(NOW), NOW) / 100


def test_the_rate_rises_while_the_usual_time_comes_near() -> None:
    returns = learned()
    learn(returns, 500, 200.0)
    assert returns.rate(visit(NOW - 150), NOW) > 2 * returns.rate(visit(NOW), NOW)


def test_turns_and_growth_tell_conversations_apart() -> None:
    returns = learned()
    learn(returns, 200, None)
    learn(returns, 200, 60.0, n_turns=3, gap_s=60.0, n_known=990)
    learn(returns, 200, None, n_turns=3, gap_s=60.0, n_known=600)
    fresh, old = visit(NOW), visit(NOW, n_turns=3, gap_s=60.0, n_known=990)
    grown = visit(NOW, n_turns=3, gap_s=60.0, n_known=600)
    assert returns.rate(old, NOW) > 5 * returns.rate(fresh, NOW)
    assert returns.rate(old, NOW) > 5 * returns.rate(grown, NOW)


def test_those_still_waited_for_are_no_failures() -> None:
    returns, patient = learned(), learned()
    for each in (returns, patient):
        learn(each, 100, 400.0)
    for _ in range(300):
        patient.record(visit(NOW - 5))
    assert patient.rate(visit(NOW), NOW) > returns.rate(visit(NOW), NOW) / 1.5


def test_a_return_corrects_what_was_noted_before() -> None:
    returns = learned()
    visits = [visit(NOW - 5000) for _ in range(200)]
    for seen in visits:
        returns.record(seen)
    gone = returns.rate(visit(NOW), NOW)
    for seen in visits:
        seen.returned_after_s = 30.0
        returns.record(seen)
    learn(returns, 64, 30.0)
    assert returns.rate(visit(NOW), NOW) > 10 * gone


def test_the_oldest_are_forgotten() -> None:
    returns = learned()
    first = visit(NOW - 9000)
    returns.record(first)
    learn(returns, 1 << 14, None)
    first.returned_after_s = 1.0
    returns.record(first)
    learn(returns, 64, None)
    assert returns.rate(visit(NOW), NOW) < 0.001
