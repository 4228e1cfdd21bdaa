import numpy as np
import pytest

from segue.homes.disk.rows import CheckpointRow, LinkRow, columns, loaded, stored
from tests.homes.disk.making import alone, link, on_chain


@pytest.mark.parametrize("row", [on_chain(3, link=1, pinned=True), alone(4, "f", cuts="1", id=9)])
def test_checkpoints_are_stored_and_loaded(row: CheckpointRow) -> None:
    values = stored(row)
    assert ", ".join(values) == columns(CheckpointRow)
    again = loaded(CheckpointRow, list(values.values()))
    assert stored(again) == values
    assert (again.tokens is None) == (row.tokens is None)


def test_links_are_stored_and_loaded() -> None:
    values = stored(link(3, 4, "f", parent=2, id=5))
    assert ", ".join(values) == columns(LinkRow)
    assert stored(loaded(LinkRow, list(values.values()))) == values


def test_tokens_are_32_bits_wide() -> None:
    row = LinkRow("s", 0, np.array([1, -2], np.int32), "f", 1)
    assert stored(row)["tokens"] == b"\x01\0\0\0\xfe\xff\xff\xff"
    assert loaded(LinkRow, list(stored(row).values())).tokens.dtype == np.int32


def test_flags_are_booleans() -> None:
    values = [int(value) if isinstance(value, bool) else value for value in stored(alone(1, has_logits=True)).values()]
    row = loaded(CheckpointRow, values)
    assert row.has_logits is True
    assert row.pinned is False


def test_the_end_of_a_link() -> None:
    assert link(3, 4, "f").end == 7
