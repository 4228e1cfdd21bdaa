"""The time to a first token."""

import pytest

from segue.sim.cost import Cost
from tests.sim.making import MODEL


def test_reading_and_bringing_back() -> None:
    cost = Cost(MODEL, read_tokens_per_s=500.0, restore_bytes_per_s=1e9)
    assert cost.first_token_s(1000, 0) == 2.0
    n_bytes = MODEL.n_bytes_state + 900 * MODEL.n_bytes_cell
    assert cost.first_token_s(1000, 900) == pytest.approx(0.2 + n_bytes / 1e9)
