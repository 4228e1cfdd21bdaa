"""The time to a first token."""

import pytest

from segue.sim.cost import Cost
from tests.sim.making import MODEL


def test_reading_and_bringing_back() -> None:
    cost = Cost(MODEL, read_tokens_per_s=500.0, copy_bytes_per_s=1e9)
    assert cost.first_token_s(1000, 0) == 2.0
    n_bytes = MODEL.n_bytes_state + 900 * MODEL.n_bytes_cell
    assert cost.prices is not None
    assert cost.prices.load_s(10) == cost.prices.save_s(10) == 1e-8
    assert cost.prices.read_s(500) == 1.0
    assert Cost(MODEL).prices is None
    assert cost.first_token_s(1000, 900) == pytest.approx(0.2 + n_bytes / 1e9)
