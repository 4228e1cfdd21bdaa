import numpy as np
import pytest

from segue.storage.rows import EntryRow, SegmentRow, columns, loaded, stored
from tests.storage.making import alone, on_chain, segment


@pytest.mark.parametrize(
    "row", [on_chain(3, segment="e", pinned=True), alone(4, "f", positions_digest="1", key=b"other")]
)
def test_checkpoints_are_stored_and_loaded(row: EntryRow) -> None:
    values = stored(row)
    assert ", ".join(values) == columns(EntryRow)
    again = loaded(EntryRow, list(values.values()))
    assert stored(again) == values
    assert (again.tokens is None) == (row.tokens is None)


def test_links_are_stored_and_loaded() -> None:
    values = stored(segment(3, 4, "f", parent="e"))
    assert ", ".join(values) == columns(SegmentRow)
    assert stored(loaded(SegmentRow, list(values.values()))) == values


def test_tokens_are_32_bits_wide() -> None:
    row = SegmentRow("s", 0, np.array([1, -2], np.int32), "f", 1)
    assert stored(row)["tokens"] == b"\x01\0\0\0\xfe\xff\xff\xff"
    assert loaded(SegmentRow, list(stored(row).values())).tokens.dtype == np.int32


def test_flags_are_booleans() -> None:
    values = [int(value) if isinstance(value, bool) else value for value in stored(alone(1, has_logits=True)).values()]
    row = loaded(EntryRow, values)
    assert row.has_logits is True
    assert row.pinned is False


def test_the_end_of_a_segment() -> None:
    assert segment(3, 4, "f").end == 7
