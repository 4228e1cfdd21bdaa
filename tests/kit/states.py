"""Reads libllama's states, so that two states can be compared cell by cell whatever order the cells lie in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.engine.state import State, part_of
from segue.memory import MemoryTraits

Cells = dict[int, bytes]


@dataclass
class _Cursor:
    data: bytes
    at: int = 0

    def take(self, n: int) -> bytes:
        part = self.data[self.at : self.at + n]
        assert len(part) == n, "the state ends early"
        self.at += n
        return part

    def number(self, n_bytes: int = 4) -> int:
        return int.from_bytes(self.take(n_bytes), "little", signed=n_bytes == 4)


def cells(state: State, kind: MemoryTraits, *, has_ext: bool) -> list[Cells]:
    """The parts of a state, each the bytes of its cells by position; recurrent parts have one cell.

    `has_ext`: cells carry two-dimensional positions, as they do with M-RoPE.
    """
    cursor = _Cursor(part_of(state).tobytes())
    cursor.take(8)
    parts = []
    if kind.shares_cells:
        n_caches = (2 if kind.has_window else 1) - (1 if state.is_partial else 0)
        parts += [_attention(cursor, has_ext) for _ in range(n_caches)]
    if kind.has_recurrent:
        parts.append(_recurrent(cursor))
    assert cursor.at == len(cursor.data), "the state has more than was read"
    return parts


def _attention(cursor: _Cursor, has_ext: bool) -> Cells:
    found: Cells = {}
    for _ in range(cursor.number()):
        n_cells = cursor.number()
        if not n_cells:
            continue
        positions = []
        for _ in range(n_cells):
            positions.append(cursor.number())
            assert cursor.number() == 1
            cursor.take(12 if has_ext else 0)
            cursor.number()
        is_transposed, n_layers = cursor.number(), cursor.number()
        rows = [_rows(cursor, n_cells) for _ in range(n_layers)]
        rows += [(_columns if is_transposed else _rows)(cursor, n_cells) for _ in range(n_layers)]
        for i, position in enumerate(positions):
            found[position] = b"".join(row[i].tobytes() for row in rows)
    return found


def _recurrent(cursor: _Cursor) -> Cells:
    n_cells = cursor.number()
    assert n_cells == 1
    position, n_seq = cursor.number(), cursor.number()
    assert n_seq == 0
    rest = cursor.data[cursor.at :]
    cursor.at = len(cursor.data)
    return {position: rest}


def _rows(cursor: _Cursor, n_cells: int) -> NDArray[np.uint8]:
    cursor.number()
    n_bytes = cursor.number(8)
    return np.frombuffer(cursor.take(n_cells * n_bytes), np.uint8).reshape(n_cells, n_bytes)


def _columns(cursor: _Cursor, n_cells: int) -> NDArray[np.uint8]:
    cursor.number()
    n_bytes, n_embd = cursor.number(), cursor.number()
    elements = np.frombuffer(cursor.take(n_embd * n_cells * n_bytes), np.uint8).reshape(n_embd, n_cells, n_bytes)
    return elements.transpose(1, 0, 2).reshape(n_cells, -1)
