"""What copies and reading cost, and what follows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.policy.prices import Prices

STATE = 150 << 20


def priced(bytes_s: float, token_s: float = 1e-3) -> Prices:
    return Prices(bytes_s, bytes_s, token_s=token_s, overhead_s=5 * token_s)


def test_before_reading_was_measured_all_is_worth_it_and_a_tenth_of_a_second_is_slow() -> None:
    prices = Prices(save_bytes_s=STATE / 0.11, load_bytes_s=1.0)
    assert prices.is_slow(STATE)
    assert not prices.is_slow(STATE * 9 // 10)
    assert prices.is_worth_copying(STATE, 1)
    assert prices.is_worth_loading(STATE, 1)
    assert prices.is_worth_waiting(STATE, 1)
    assert prices.checkpoint_tokens(STATE) == 8.0


def test_a_state_of_150_mib() -> None:
    slow, fast = priced(0.5e9), priced(25e9)
    assert slow.is_slow(STATE)
    assert not fast.is_slow(STATE)
    assert slow.checkpoint_tokens(STATE) == pytest.approx(5 + 314.6, abs=0.1)
    assert fast.checkpoint_tokens(STATE) == pytest.approx(5 + 6.3, abs=0.1)
    # Two copies out, since only one in two is needed, and one back.
    assert not slow.is_worth_copying(STATE, 943)
    assert slow.is_worth_copying(STATE, 944)
    assert not slow.is_worth_loading(STATE, 314)
    assert slow.is_worth_loading(STATE, 315)
    assert not slow.is_worth_waiting(STATE, 15_728)
    assert slow.is_worth_waiting(STATE, 15_729)


def test_a_prompt_takes_a_batch_besides_its_tokens_unless_nothing_is_left_to_read() -> None:
    prices = priced(25e9)
    assert prices.prefill_s(0) == 0
    assert prices.prefill_s(1) == pytest.approx(prices.read_s(1) + 5e-3)


def test_what_can_leave_without_a_copy_is_always_worth_it() -> None:
    assert priced(0.5e9).is_worth_copying(0, 1)
    assert not priced(0.5e9).is_slow(0)


@given(n_bytes=st.integers(1, 1 << 32), n_tokens=st.integers(1, 1 << 20), bytes_s=st.floats(1e6, 1e12))
def test_faster_copies_are_never_worth_less(n_bytes: int, n_tokens: int, bytes_s: float) -> None:
    slower, faster = priced(bytes_s), priced(2 * bytes_s)
    assert slower.is_worth_copying(n_bytes, n_tokens) <= faster.is_worth_copying(n_bytes, n_tokens)
    assert slower.is_worth_loading(n_bytes, n_tokens) <= faster.is_worth_loading(n_bytes, n_tokens)
    assert slower.is_worth_waiting(n_bytes, n_tokens) <= faster.is_worth_waiting(n_bytes, n_tokens)
    assert slower.is_worth_copying(n_bytes, n_tokens) <= slower.is_worth_loading(n_bytes, n_tokens)


def test_rates_are_learned_both_ways_and_small_copies_hardly_count() -> None:
    prices = Prices(save_bytes_s=1e9, load_bytes_s=1e9)
    prices.record_save(1000, 1.0)
    prices.record_load(0, 1.0)
    prices.record_load(1000, 0.0)
    assert prices.save_bytes_s == pytest.approx(1e9, rel=1e-3)
    assert prices.load_bytes_s == 1e9
    for _ in range(40):
        prices.record_save(STATE, STATE / 4e9)
        prices.record_load(STATE, STATE / 2e9)
    assert prices.save_bytes_s == pytest.approx(4e9, rel=1e-3)
    assert prices.load_bytes_s == pytest.approx(2e9, rel=1e-3)
    assert prices.restore_s(STATE, 300) == pytest.approx(STATE / 2e9 + 300 / 3e8, rel=1e-3)


def test_reading_is_learned_from_large_batches_and_the_cost_of_a_batch_from_small_ones() -> None:
    prices = Prices()
    prices.record_read(64, 1.0)
    assert prices.overhead_s == prices.token_s == 0.0, "nothing tells the tokens from the batch"
    prices.record_read(512, 0.512)
    prices.record_read(64, 0.074)
    assert prices.token_s == 1e-3
    assert prices.overhead_s == pytest.approx(0.010)
    assert prices.read_s(100) == pytest.approx(0.1)
    assert prices.read_s(0) == 0.0


def test_what_a_small_copy_shows_at_start_hardly_counts() -> None:
    small, large = (Prices.starting(n, save_bytes_s=1e8, load_bytes_s=5e7) for n in (1 << 12, 1 << 21))
    assert small.save_bytes_s > 1.9e9
    assert small.load_bytes_s > 1.9e9
    assert (large.save_bytes_s, large.load_bytes_s) == (1e8, 5e7)
