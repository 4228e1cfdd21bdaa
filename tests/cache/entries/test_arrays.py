"""Saved cells and states as arrays: what was put in comes out, and anything else is refused."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from segue.cache.entries.arrays import cells_from_arrays, cells_to_arrays, entry_from_arrays, entry_to_arrays
from segue.engine.positions import Jump
from segue.engine.state import MODEL, Bytes, Cells, Parts, State

JUMPS = (Jump(3, 13, 3, 3, 7), Jump(20, 20, 14, 13, 20))
PARTS = {"draft": np.arange(5, dtype=np.uint8), MODEL: np.arange(9, dtype=np.uint8)}
LOGITS = np.array([0.5, -2.0], np.float32)


def same(found: Parts, wanted: Parts) -> bool:
    return list(found) == list(wanted) and all(np.array_equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("jumps", [(), JUMPS])
@pytest.mark.parametrize("parts", [PARTS, {MODEL: PARTS[MODEL]}, {}])
def test_cells_come_back_with_all_their_parts(parts: Parts, jumps: tuple[Jump, ...]) -> None:
    found = cells_from_arrays(cells_to_arrays(Cells(parts, 7, 30, jumps)))
    assert (found.start, found.end, found.jumps) == (7, 30, jumps)
    assert same(found.parts, parts)


@pytest.mark.parametrize("logits", [None, LOGITS])
@pytest.mark.parametrize("is_partial", [True, False])
@pytest.mark.parametrize("parts", [PARTS, {MODEL: PARTS[MODEL]}])
def test_a_state_comes_back_with_all_its_parts(parts: Parts, is_partial: bool, logits: Any) -> None:
    state, found = entry_from_arrays(entry_to_arrays(State(parts, 30, is_partial, JUMPS), logits))
    assert state is not None
    assert (state.n_tokens, state.is_partial, state.jumps) == (30, is_partial, JUMPS)
    assert same(state.parts, parts)
    assert (found is None) == (logits is None)
    assert found is None or np.array_equal(found, LOGITS)


def test_logits_come_back_without_a_state_and_nothing_needs_no_arrays() -> None:
    state, found = entry_from_arrays(entry_to_arrays(None, LOGITS))
    assert state is None
    assert found is not None
    assert np.array_equal(found, LOGITS)
    assert entry_to_arrays(None, None) == []
    assert entry_from_arrays([]) == (None, None)


def test_no_bytes_are_copied() -> None:
    arrays = [*cells_to_arrays(Cells(PARTS, 0, 9)), *entry_to_arrays(State(PARTS, 9, True), LOGITS)]
    for data in (*PARTS.values(), LOGITS):
        assert any(np.shares_memory(data, array) for array in arrays)
    state, logits = entry_from_arrays(arrays[3:])
    assert state is not None
    assert logits is not None
    assert np.shares_memory(state.parts[MODEL], PARTS[MODEL])
    assert np.shares_memory(logits, LOGITS)
    assert np.shares_memory(cells_from_arrays(arrays[:3]).parts["draft"], PARTS["draft"])


def head(**fields: Any) -> Bytes:
    return np.frombuffer(json.dumps(fields).encode(), np.uint8)


DATA = np.zeros(8, np.uint8)
CELLS = {"start": 0, "end": 9, "jumps": [], "parts": [MODEL]}
STATE = {"has_logits": False, "n_tokens": 9, "is_partial": True, "jumps": [], "parts": [MODEL]}


@pytest.mark.parametrize(
    "arrays",
    [
        (DATA,),
        (np.frombuffer(b"[" * 100_000, np.uint8),),
        (np.frombuffer(b"[]", np.uint8),),
        (head(),),
        (head(**CELLS),),
        (head(**CELLS), DATA, DATA),
        (head(**CELLS | {"parts": [MODEL, "draft"]}), DATA),
        (head(**CELLS | {"end": "9x"}), DATA),
        (head(**CELLS | {"end": float("inf")}), DATA),
        (head(**CELLS | {"jumps": [[1, 2]]}), DATA),
        (head(**CELLS | {"jumps": None}), DATA),
    ],
)
def test_other_arrays_are_no_cells(arrays: Sequence[Bytes]) -> None:
    with pytest.raises(ValueError, match=r"arrays of \[.*\] bytes are not those of cells"):
        cells_from_arrays(arrays)
    with pytest.raises(ValueError, match=r"arrays of \[\] bytes are not those of cells"):
        cells_from_arrays([])


@pytest.mark.parametrize(
    "arrays",
    [
        (DATA,),
        (head(),),
        (head(**STATE),),
        (head(**STATE), DATA, DATA),
        (head(**STATE | {"has_logits": True}), DATA),
        (head(**STATE | {"has_logits": True}), DATA, DATA[:7]),
        (head(**STATE | {"n_tokens": None}), DATA),
        (head(**STATE | {"n_tokens": float("inf")}), DATA),
        (head(has_logits=True),),
    ],
)
def test_other_arrays_are_no_checkpoint(arrays: Sequence[Bytes]) -> None:
    with pytest.raises(ValueError, match=r"arrays of \[.*\] bytes are not those of a checkpoint"):
        entry_from_arrays(arrays)
