"""Room for checkpoints in words."""

import math

import pytest

from segue.sim.capacity import Capacity, parse


@pytest.mark.parametrize(
    ("text", "capacity"),
    [
        ("32", Capacity(n_checkpoints=32)),
        ("8GiB", Capacity(n_bytes=8 << 30)),
        ("1.5 MiB", Capacity(n_bytes=1.5 * (1 << 20))),
        ("inf", Capacity(math.inf, math.inf)),
    ],
)
def test_what_is_understood(text: str, capacity: Capacity) -> None:
    assert parse(text) == capacity
    assert str(capacity) == text.replace(" ", "")


@pytest.mark.parametrize("text", ["", "0", "-1", "8GB", "0GiB", "many", "1.5"])
def test_what_is_not(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a number of checkpoints"):
        parse(text)
