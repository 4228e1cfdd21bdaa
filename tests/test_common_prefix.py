"""The common prefix of two texts."""

import numpy as np
import pytest

from segue.common_prefix import n_equal


@pytest.mark.parametrize("first", [0, 1, 1023, 1024, 5119, 5120, 200_000, 299_999, 300_000])
def test_n_equal_finds_the_first_difference(first: int) -> None:
    a = np.zeros(300_000, np.int32)
    b = a.copy()
    b[first:] = 1
    assert n_equal(a, b) == first
    assert n_equal(a[:first], b) == first
    assert n_equal(b[first:], a[first:]) == 0
