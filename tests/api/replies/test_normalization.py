"""Vectors of a common length."""

import numpy as np
import pytest

from segue.api.replies.normalization import normalized

ROWS = np.array([[3, -4], [0, 0]], np.float32)


@pytest.mark.parametrize(
    ("kind", "first"),
    [
        (-1, [3, -4]),
        (0, [24570, -32760]),
        (1, [3 / 7, -4 / 7]),
        (2, [0.6, -0.8]),
        (3, np.array([3, -4]) / 91 ** (1 / 3)),
    ],
)
def test_kinds(kind: int, first: list[float]) -> None:
    rows = normalized(ROWS, kind)
    assert rows.dtype == np.float32
    assert rows[0].tolist() == pytest.approx(list(first))
    assert rows[1].tolist() == [0, 0]
