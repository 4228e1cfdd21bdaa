import pytest

from segue.prefix.visit import Visit, arrive


def ended(n_tokens: int, ended: float = 100.0) -> Visit:
    return Visit(arrived=ended, n_known=0, before=None, ended=ended, n_tokens=n_tokens)


def test_the_first_of_all_continues_nothing() -> None:
    visit = arrive(None, 0, 5.0)
    assert (visit.n_turns, visit.gap_s, visit.continues) == (0, None, False)


def test_who_goes_on_from_most_of_a_path_continues_its_conversation() -> None:
    visit = arrive(ended(100), 97, 130.0)
    assert (visit.n_turns, visit.gap_s, visit.continues) == (1, 30.0, True)


def test_who_shares_a_beginning_does_not() -> None:
    visit = arrive(ended(100), 49, 130.0)
    assert (visit.n_turns, visit.gap_s, visit.continues) == (0, None, False)


def test_gaps_are_averaged_on_a_scale_of_factors() -> None:
    second = arrive(ended(100), 100, 110.0)
    second.ended = 200.0
    third = arrive(second, 100, 300.0)
    assert third.n_turns == 2
    assert third.gap_s == pytest.approx(10**0.7 * 100**0.3)


def test_a_request_that_comes_before_the_last_has_ended_comes_at_once() -> None:
    assert arrive(ended(100, 200.0), 100, 150.0).gap_s == 1.0
