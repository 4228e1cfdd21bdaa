"""What calls cost by their tokens."""

import pytest

from segue.drafting.row_costs import RowCosts


def test_what_was_not_measured_is_guessed() -> None:
    costs = RowCosts()
    assert costs.relative(1, 1) == 1
    assert 1 < costs.relative(4, 1) < 2
    costs.record(1, 0.010)
    assert 1 < costs.relative(4, 1) < 2


def test_between_two_measured_sizes_the_cost_lies_between_theirs() -> None:
    costs = RowCosts()
    costs.record(1, 0.010)
    costs.record(5, 0.030)
    assert costs.relative(3, 1) == pytest.approx(2.0)
    assert costs.relative(5, 1) == pytest.approx(3.0)
    assert costs.relative(9, 1) > 3


def test_one_slow_call_hardly_counts_and_many_do() -> None:
    costs = RowCosts()
    costs.record(1, 0.010)
    costs.record(2, 0.012)
    costs.record(2, 10.0)
    assert costs.relative(2, 1) < 1.5
    for _ in range(60):
        costs.record(2, 0.040)
    assert costs.relative(2, 1) == pytest.approx(4.0, rel=0.05)


def test_no_call_is_cheaper_with_more_tokens() -> None:
    costs = RowCosts()
    costs.record(1, 0.020)
    costs.record(2, 0.010)
    assert costs.relative(2, 1) == 1


def test_a_size_is_known_once_it_was_measured_twice() -> None:
    costs = RowCosts()
    for is_known in (False, False, True):
        assert costs.knows(4) == is_known
        costs.record(4, 0.010)
    assert not costs.knows(3)


def test_what_further_tokens_cost_does_not_depend_on_what_the_base_is() -> None:
    costs = RowCosts()
    assert costs.extra(5, 1, 4) > 0
    for n_tokens, seconds in ((1, 0.010), (4, 0.040), (5, 0.050)):
        for _ in range(60):
            costs.record(n_tokens, seconds)
    assert costs.extra(5, 1, 1) == pytest.approx(4.0, rel=0.05)
    assert costs.extra(5, 1, 4) == pytest.approx(1.0, rel=0.05)
    assert costs.extra(1, 5, 4) == 0
