"""Rates divide by what was measured."""

import pytest

from segue.loop.events import Timings


def test_rates_divide_by_the_intervals_that_were_measured() -> None:
    timings = Timings(cache_n=10, prompt_n=50, prompt_ms=100.0, predicted_n=5, predicted_ms=200.0)
    assert (timings.prompt_per_token_ms, timings.prompt_per_second) == (2, 500)
    assert (timings.predicted_per_token_ms, timings.predicted_per_second) == (50, 20)


@pytest.mark.parametrize("n_predicted", [0, 1])
def test_less_than_two_tokens_have_no_rate(n_predicted: int) -> None:
    timings = Timings(prompt_n=10, prompt_ms=5.0, predicted_n=n_predicted, predicted_ms=0.016)
    assert (timings.predicted_per_token_ms, timings.predicted_per_second) == (0, 0)


def test_a_prompt_that_was_all_cached_has_no_rate() -> None:
    timings = Timings(cache_n=100, prompt_ms=0.7, predicted_n=2, predicted_ms=10.0)
    assert (timings.prompt_per_token_ms, timings.prompt_per_second) == (0, 0)


def test_a_clock_too_coarse_gives_no_rate() -> None:
    timings = Timings(prompt_n=3, predicted_n=4)
    assert (timings.prompt_per_second, timings.predicted_per_second) == (0, 0)
