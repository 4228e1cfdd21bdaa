"""How many tokens are drafted for the replies of a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.drafting.lengths import Prospect, choose_lengths
from segue.drafting.row_costs import RowCosts


def _costs(**seconds: float) -> RowCosts:
    costs = RowCosts()
    for size, value in seconds.items():
        costs.record(int(size.removeprefix("of_")), value)
    return costs


DEAR = _costs(of_1=1.0, of_2=2.0, of_4=4.0, of_16=16.0)
FREE = _costs(of_1=1.0, of_16=1.0, of_64=1.0)
CPU = _costs(of_1=17.0, of_2=21.7, of_4=27.4, of_8=39.0)


@pytest.mark.parametrize(("probability", "n"), [(0.0, 0), (0.2, 0), (0.45, 2), (0.8, 5), (0.98, 7)])
def test_what_one_reply_drafts_on_a_cpu(probability: float, n: int) -> None:
    assert choose_lengths([Prospect(1, 7, probability)], CPU, are_equal=False, n_tokens_most=64) == [n]


def test_rows_that_cost_as_much_as_calls_are_not_worth_it() -> None:
    assert choose_lengths([Prospect(1, 7, 0.9)], DEAR, are_equal=False, n_tokens_most=64) == [0]


def test_rows_that_cost_nothing_are_all_used() -> None:
    assert choose_lengths([Prospect(1, 7, 0.1)], FREE, are_equal=False, n_tokens_most=64) == [7]


def test_only_likely_replies_draft_where_they_need_not_be_equal() -> None:
    likely, unlikely = Prospect(1, 4, 0.95), Prospect(1, 4, 0.05)
    assert choose_lengths([likely, unlikely], CPU, are_equal=False, n_tokens_most=64) == [4, 0]


def test_replies_with_recurrent_state_get_equally_many_tokens() -> None:
    lengths = choose_lengths([Prospect(1, 4, 0.95), Prospect(3, 0, 0.0)], FREE, are_equal=True, n_tokens_most=64)
    assert lengths == [4, 2]


def test_nothing_is_filled_up_where_nothing_is_drafted() -> None:
    assert choose_lengths([Prospect(1, 0, 0.0), Prospect(3, 0, 0.0)], FREE, are_equal=True, n_tokens_most=64) == [0, 0]


@given(
    prospects=st.lists(
        st.builds(Prospect, st.integers(1, 9), st.integers(0, 16), st.floats(0, 1)), min_size=1, max_size=8
    ),
    are_equal=st.booleans(),
    n_tokens_most=st.integers(1, 64),
    costs=st.sampled_from([DEAR, FREE, CPU, RowCosts()]),
)
def test_a_call_with_drafts_never_holds_too_much(
    prospects: list[Prospect], are_equal: bool, n_tokens_most: int, costs: RowCosts
) -> None:
    lengths = choose_lengths(prospects, costs, are_equal=are_equal, n_tokens_most=n_tokens_most)
    n_tokens = [one.n_unread + n for one, n in zip(prospects, lengths, strict=True)]
    assert all(n >= 0 for n in lengths)
    if any(lengths):
        assert sum(n_tokens) <= n_tokens_most
        assert len(set(n_tokens)) == 1 or not are_equal
    if not are_equal:
        assert all(n <= one.n_drafted for one, n in zip(prospects, lengths, strict=True))
