"""Attention cells in libllama's format: adjacent runs can be joined, and a run can be shortened, part by part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segue.engine.errors import StateError
from segue.engine.positions import jumps_until, pos_after
from segue.engine.state import Bytes, Cells

N_STATE_HEADER = 8
_N_CELLS_HEADER = 8
_META_BYTES = (12, 24)
"""Position, count and id of the sequence; with M-RoPE also a position in two dimensions and the token."""


@dataclass(frozen=True, slots=True)
class _Field:
    """The keys or values of one layer: `n_rows` rows, each with one element of `n_bytes` per cell.

    Keys have one row, whose elements are whole vectors; transposed values have a row for each dimension.
    """

    head: slice
    body: slice
    n_rows: int
    n_bytes: int

    def matrix(self, data: Bytes, n_cells: int) -> Bytes:
        """The bytes of this field as `[n_rows, n_cells, n_bytes]`; a view."""
        return data[self.body].reshape(self.n_rows, n_cells, self.n_bytes)


@dataclass(frozen=True, slots=True)
class _Layout:
    """The offsets of all fields in one part of some cells, which has one stream."""

    n_cells: int
    meta: slice
    counts: slice
    is_transposed: bool
    fields: tuple[_Field, ...]


def joined(runs: Sequence[Bytes]) -> list[Bytes]:
    """Join the same part of several runs, in order; returns the bytes in pieces. Raises StateError if that fails."""
    if len(runs) == 1:
        return [runs[0]]
    layouts = [_layout(run) for run in runs]
    first, head = layouts[0], runs[0]
    pieces: list[Bytes] = [head[: N_STATE_HEADER + 4], _number(sum(layout.n_cells for layout in layouts))]
    pieces += [run[layout.meta] for run, layout in zip(runs, layouts, strict=True)]
    pieces.append(head[first.counts])
    for i, one in enumerate(first.fields):
        same = [layout.fields[i] for layout in layouts]
        if any((other.n_rows, other.n_bytes) != (one.n_rows, one.n_bytes) for other in same):
            raise StateError("cells of different formats cannot be joined")
        matrices = [f.matrix(run, n.n_cells) for f, run, n in zip(same, runs, layouts, strict=True)]
        pieces.append(head[one.head])
        pieces += [m.reshape(-1) for m in matrices] if one.n_rows == 1 else [np.concatenate(matrices, 1).reshape(-1)]
    return pieces


def cut(cells: Cells, end: int, start: int | None = None) -> Cells:
    """Copy the cells in `[start, end)`, by default from the first one, without the parts that have none there.

    Raises StateError for unknown formats.
    """
    start = cells.start if start is None else start
    if not cells.start <= start < end <= cells.end:
        raise ValueError(f"cells from {cells.start} to {cells.end} do not contain those from {start} to {end}")
    pos, pos_end = pos_after(start, cells.jumps), pos_after(end, cells.jumps)
    shortened = {name: _cut(data, pos, pos_end) for name, data in cells.parts.items()}
    parts = {name: data for name, data in shortened.items() if data is not None}
    return Cells(parts, start, end, jumps_until(end, cells.jumps))


def _cut(data: Bytes, pos: int, pos_end: int) -> Bytes | None:
    """Copy the cells at the positions `[pos, pos_end)`; None if there are none."""
    layout = _layout(data)
    meta = data[layout.meta].reshape(layout.n_cells, -1)
    positions = meta[:, :4].copy().view(np.int32)[:, 0]
    stays = np.flatnonzero((pos <= positions) & (positions < pos_end))
    if not len(stays):
        return None
    head = data[: N_STATE_HEADER + 4]
    pieces: list[Bytes] = [head, _number(len(stays)), meta[stays].reshape(-1), data[layout.counts]]
    for one in layout.fields:
        pieces += [data[one.head], one.matrix(data, layout.n_cells)[:, stays].reshape(-1)]
    return np.concatenate(pieces)


def is_transposed(data: Bytes) -> bool:
    """Whether the values of attention cells are transposed. Raises StateError for unknown formats."""
    return _layout(data).is_transposed


def _layout(data: Bytes) -> _Layout:
    """Find the layout of some cells: the size of a cell's metadata is the one with which all of them parse exactly."""
    for n_bytes_meta in _META_BYTES:
        found = _try_layout(data, n_bytes_meta)
        if found is not None:
            return found
    raise StateError("libllama wrote attention cells in an unknown format")


def _try_layout(data: Bytes, n_bytes_meta: int) -> _Layout | None:
    n_cells = _read(data, N_STATE_HEADER + 4, 4)
    meta = slice(N_STATE_HEADER + _N_CELLS_HEADER, N_STATE_HEADER + _N_CELLS_HEADER + n_cells * n_bytes_meta)
    counts = slice(meta.stop, meta.stop + 8)
    if not n_cells or counts.stop > len(data):
        return None
    is_transposed, n_layers = _read(data, counts.start, 4), _read(data, counts.start + 4, 4)
    if is_transposed > 1 or n_layers > len(data):
        return None
    fields: list[_Field] = []
    at = counts.stop
    while at < len(data):
        is_row = len(fields) < n_layers or not is_transposed
        head = slice(at, at + 12)
        if is_row:
            n_rows, n_bytes = 1, _read(data, at + 4, 8)
        else:
            n_rows, n_bytes = _read(data, at + 8, 4), _read(data, at + 4, 4)
        body = slice(head.stop, head.stop + n_rows * n_cells * n_bytes)
        if body.stop > len(data) or body.stop <= head.stop:
            return None
        fields.append(_Field(head, body, n_rows, n_bytes))
        at = body.stop
    return _Layout(n_cells, meta, counts, bool(is_transposed), tuple(fields)) if len(fields) >= n_layers else None


def _read(data: Bytes, at: int, n_bytes: int) -> int:
    return int.from_bytes(data[at : at + n_bytes].tobytes(), "little")


def _number(value: int) -> Bytes:
    return np.frombuffer(value.to_bytes(4, "little"), np.uint8)
