"""The names of entries: every writer gives the same one, and nothing else has it."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segue.storage.keys import N_BYTES_KEY, entry_key, keyed
from segue.storage.rows import EntryRow, SegmentRow

PATH = np.array([1, 2, 70_000, -1], np.int32)


def test_one_content_has_one_key() -> None:
    wide = np.repeat(PATH, 2)
    key = entry_key("{}", "tenant", PATH)
    assert len(key) == N_BYTES_KEY
    assert key == entry_key("{}", "tenant", PATH.copy()) == entry_key("{}", "tenant", wide[::2])
    assert key == entry_key("{}", "tenant", PATH.astype(">i4"))
    assert key == entry_key("{}", "tenant", PATH[:1], PATH[1:3], PATH[3:]), "in runs"
    assert key == entry_key("{}", "tenant", np.frombuffer(PATH.tobytes(), np.int32)), "read-only"


def test_a_row_has_the_key_of_its_path_wherever_its_tokens_are() -> None:
    own = EntryRow(
        key=b"",
        namespace="tenant",
        n_tokens=4,
        pos_min=0,
        pos_max=3,
        origin="reply_end",
        created=1.0,
        last_used=2.0,
        tokens=PATH,
    )
    chain = [
        SegmentRow("tenant", 0, np.append(PATH[:2], 9), "", 0),
        SegmentRow("tenant", 2, np.append(PATH[2:], 9), "", 0),
    ]
    for row, segments in ((own, []), (replace(own, tokens=None), chain)):
        assert keyed(row, segments, "{}").key == entry_key("{}", "tenant", PATH)


def test_a_key_is_the_same_in_every_process_and_on_every_machine() -> None:
    assert entry_key("{}", "tenant", PATH).hex() == "fbba0c363b963d53e80f0b9e7dbca435"


@pytest.mark.parametrize(
    ("fingerprint", "namespace", "tokens"),
    [
        ("{ }", "tenant", PATH),
        ("{}", "tenan", PATH),
        ("{}", "", PATH),
        ("{}t", "enant", PATH),
        ("tenant", "{}", PATH),
        ("{}", "tenant", PATH[:-1]),
        ("{}", "tenant", PATH[1:]),
        ("{}", "tenant", PATH[::-1]),
        ("{}", "tenant", np.append(PATH, np.int32(0))),
        ("{}", "tenant", PATH[:0]),
        ("{}", "tenant\x01\0\0\0", PATH[1:]),
    ],
)
def test_any_difference_makes_another_key(fingerprint: str, namespace: str, tokens: np.ndarray) -> None:
    assert entry_key(fingerprint, namespace, tokens) != entry_key("{}", "tenant", PATH)


CONTENT = st.tuples(st.text("ab\0é", max_size=3), st.text("ab\0é", max_size=3), st.lists(st.integers(0, 2), max_size=3))


@given(st.lists(CONTENT, min_size=2, max_size=8, unique_by=repr))
def test_keys_are_as_different_as_contents(contents: list[tuple[str, str, list[int]]]) -> None:
    keys = [entry_key(one, other, np.array(tokens, np.int32)) for one, other, tokens in contents]
    assert all(a != b for a, b in itertools.combinations(keys, 2))
