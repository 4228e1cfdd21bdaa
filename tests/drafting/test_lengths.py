"""How many tokens are drafted for the replies of a call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.drafting.lengths import Prospect, Worth, choose_lengths
from segue.drafting.row_costs import RowCosts


def _costs(**seconds: float) -> RowCosts:
    costs = RowCosts()
    for size, value in seconds.items():
        costs.record(int(size.removeprefix("of_")), value)
    return costs


DEAR = _costs(of_1=1.0, of_2=2.0, of_4=4.0, of_16=16.0)
FREE = _costs(of_1=1.0, of_16=1.0, of_64=1.0)
CPU = _costs(of_1=17.0, of_2=21.7, of_4=27.4, of_8=39.0)


def _chosen(prospects: list[Prospect], costs: RowCosts, *, are_equal: bool) -> list[int]:
    return choose_lengths(prospects, costs, are_equal=are_equal, reads_again=are_equal, n_tokens_most=64)


@pytest.mark.parametrize(("probability", "n"), [(0.0, 0), (0.2, 0), (0.45, 2), (0.8, 5), (0.98, 7)])
def test_what_one_reply_drafts_on_a_cpu(probability: float, n: int) -> None:
    assert _chosen([Prospect(1, 7, probability)], CPU, are_equal=False) == [n]


def test_rows_that_cost_as_much_as_calls_are_not_worth_it() -> None:
    assert _chosen([Prospect(1, 7, 0.9)], DEAR, are_equal=False) == [0]


def test_rows_that_cost_nothing_are_all_used() -> None:
    assert _chosen([Prospect(1, 7, 0.1)], FREE, are_equal=False) == [7]


def test_only_likely_replies_draft_where_they_need_not_be_equal() -> None:
    likely, unlikely = Prospect(1, 4, 0.95), Prospect(1, 4, 0.05)
    assert _chosen([likely, unlikely], CPU, are_equal=False) == [4, 0]


def test_replies_with_recurrent_state_get_equally_many_tokens() -> None:
    lengths = _chosen([Prospect(1, 4, 0.95), Prospect(3, 0, 0.0)], FREE, are_equal=True)
    assert lengths == [4, 2]


def test_replies_with_a_window_get_equally_many_tokens_and_read_nothing_again() -> None:
    prospects = [Prospect(1, 7, 0.45), Prospect(1, 0, 0.0)]
    equal, again = (
        choose_lengths(prospects, CPU, are_equal=True, reads_again=reads_again, n_tokens_most=64)
        for reads_again in (False, True)
    )
    assert equal[0] == equal[1] >= again[0] == again[1]


def test_nothing_is_filled_up_where_nothing_is_drafted() -> None:
    assert _chosen([Prospect(1, 0, 0.0), Prospect(3, 0, 0.0)], FREE, are_equal=True) == [0, 0]


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
    lengths = choose_lengths(prospects, costs, are_equal=are_equal, reads_again=are_equal, n_tokens_most=n_tokens_most)
    n_tokens = [one.n_unread + n for one, n in zip(prospects, lengths, strict=True)]
    assert all(n >= 0 for n in lengths)
    if any(lengths):
        assert sum(n_tokens) <= n_tokens_most
        assert len(set(n_tokens)) == 1 or not are_equal
    if not are_equal:
        assert all(n <= one.n_drafted for one, n in zip(prospects, lengths, strict=True))


@pytest.mark.parametrize(("probability", "n"), [(0.0, 0), (0.4, 1), (0.6, 2), (0.98, 8)])
def test_what_a_model_drafts_on_a_cpu_where_a_tail_can_be_dropped(probability: float, n: int) -> None:
    assert Worth(CPU, 1, reads_again=False).n_drafts(probability, 8, 0.5) == n


def test_a_model_drafts_less_where_it_is_slow_or_what_held_is_read_again() -> None:
    worth = Worth(CPU, 1, reads_again=False)
    n = worth.n_drafts(0.8, 8, 1.0)
    assert worth.n_drafts(0.8, 8, 5.0) < n
    assert worth.n_drafts(0.8, 8, 50.0) == 0
    assert Worth(CPU, 1, reads_again=True).n_drafts(0.8, 8, 1.0) < n
    lengths = {again: _chosen([Prospect(1, 7, 0.45)], CPU, are_equal=again) for again in (False, True)}
    assert lengths[True] < lengths[False]


def test_trials_are_as_short_as_could_pay_and_as_seldom_as_they_are_dear() -> None:
    steep = _costs(of_1=9.5, of_2=26.0, of_4=37.0, of_6=47.0, of_9=64.0)
    cheap, dear = Worth(CPU, 1, reads_again=True), Worth(steep, 1, reads_again=True)
    assert [cheap.n_of_trial(n, 8) for n in (31, 32)] == [0, 1]
    assert [dear.n_of_trial(n, 8) for n in (32, 192, 416)] == [0, 0, 4]
    assert Worth(DEAR, 1, reads_again=True).n_of_trial(1024, 8) == 0


def test_a_trial_is_as_dear_as_its_drafts_are_too() -> None:
    costs = _costs(of_1=10.0, of_2=11.0)
    worth = Worth(costs, 1, reads_again=True, trial_s=20.0)
    assert [worth.n_of_trial(n, 8) for n in (32, 192, 224)] == [0, 0, 1]
