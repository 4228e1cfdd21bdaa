"""The memory of a simulated context: cells that sequences share, windows and recurrent states."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.engine.errors import NoRoomError
from segue.engine.state import Bytes
from segue.memory import MemoryTraits
from tests.kit.fake_engine.attention_cells import AttentionCells
from tests.kit.fake_engine.numbers import mix, value_of

N_BYTES_CELL: Final = 16
N_BYTES_RECURRENT: Final = 64

_ALL_BITS: Final = (1 << 64) - 1


class Memory:
    """What all sequences hold. `base` and `window` have one stream of cells, or one for each sequence."""

    def __init__(
        self,
        kind: MemoryTraits,
        n_swa: int,
        *,
        n_cells: int,
        n_window: int,
        n_seq_max: int,
        is_unified: bool,
    ) -> None:
        n_streams = 1 if is_unified else n_seq_max
        self.base = [AttentionCells(n_cells, n_seq_max, 0) for _ in range(n_streams if kind.shares_cells else 0)]
        self.window = [AttentionCells(n_window, n_seq_max, n_swa) for _ in range(n_streams if kind.has_window else 0)]
        self.recurrent: list[tuple[int, int] | None] = [None] * n_seq_max
        self._kind = kind
        self._n_swa = n_swa
        self._is_unified = is_unified

    def caches(self, seq: int) -> list[AttentionCells]:
        """The base cache and the window cache that a sequence lies in, those that the kind has."""
        stream = 0 if self._is_unified else seq
        return [*self.base[stream : stream + 1], *self.window[stream : stream + 1]]

    def span(self, seq: int) -> tuple[int, int]:
        """The positions that a sequence holds, -1 if it is empty."""
        spans = [cells.span(seq) for cells in self.caches(seq)[-1:]]
        if self._kind.has_recurrent:
            recurrent = self.recurrent[seq]
            spans.append((recurrent[0], recurrent[0]) if recurrent else (-1, -1))
        return max(span[0] for span in spans), min(span[1] for span in spans)

    def occupied(self) -> set[int]:
        """The sequences that hold anything at all."""
        held = {seq for seq, recurrent in enumerate(self.recurrent) if recurrent}
        for cells in (*self.base, *self.window):
            held |= set(np.flatnonzero(cells.seqs.any(axis=0)).tolist())
        return held

    def share(self, src: int, dst: int, pos_end: int = 1 << 62, pos: int = 0) -> None:
        """Let `dst` see the cells of `src` in `[pos, pos_end)`; recurrent state is not shared."""
        for cells in self.caches(src):
            cells.share(src, dst, pos_end, pos)

    def cut_tail(self, seq: int, pos: int) -> None:
        """Take a sequence off its cells from `pos` on."""
        for cells in self.caches(seq):
            cells.remove(seq, pos)

    def clear(self, seq: int) -> None:
        """Empty a sequence."""
        self.cut_tail(seq, 0)
        self.recurrent[seq] = None

    def saved_cells(self, seq: int, pos: int, pos_end: int, via: int) -> Bytes:
        """The bytes of a sequence's cells in `[pos, pos_end)`, taken through the empty `via`."""
        base = self.base[0]
        base.share(seq, via, pos_end, pos)
        slots = base.saved(via)
        data = np.concatenate([bytes_of(base.pos[slots]), bytes_of(base.values[slots])])
        self.clear(via)
        return data

    def put_cells(self, seq: int, runs: list[Bytes], pos: int, pos_end: int, via: int) -> None:
        """Add those of some saved cells that lie in `[pos, pos_end)` to a sequence, through the empty `via`."""
        base = self.base[0]
        positions, values = (np.concatenate(column) for column in zip(*map(cells_of, runs), strict=True))
        slots = base.find(len(positions))
        if slots is None:
            raise NoRoomError("no room for stored cells")
        base.place(slots, positions, np.full(len(positions), via))
        base.values[slots] = values
        base.share(via, seq, pos_end, pos)
        self.clear(via)

    def read(self, seq: int, positions: NDArray[np.int64], ids: list[int]) -> list[int]:
        """Hash inputs, whose cells are placed, with what each of them sees; the values of all."""
        kind, n_swa = self._kind, self._n_swa
        start, last = int(positions[0]), int(positions[-1])
        everything = self._base_sum(seq, start) if kind.shares_cells else 0
        window = self._in_window(seq, start - n_swa + 1, start) if kind.has_window else {}
        in_window = sum(window.values())
        recurrent = (self.recurrent[seq] or (-1, 0))[1]
        values = []
        for position, token in zip(positions.tolist(), ids, strict=True):
            while window and (oldest := next(iter(window))) <= position - n_swa:
                in_window -= window.pop(oldest)
            value = value_of(position, token, everything, in_window, recurrent)
            values.append(value)
            if kind.shares_cells:
                everything += value
            if kind.has_window:
                window[position] = window.get(position, 0) + value
                in_window += value
            if kind.has_recurrent:
                recurrent = mix(recurrent, value)
        if kind.has_recurrent:
            self.recurrent[seq] = (last, recurrent)
        for cells in self.caches(seq):
            slots = cells.of(seq)
            slots = slots[(cells.pos[slots] >= start) & (cells.pos[slots] <= last)]
            slots = slots[np.argsort(cells.pos[slots], kind="stable")]
            # A window keeps only the last of them where it is short.
            cells.values[slots] = np.array(values, np.uint64)[len(values) - len(slots) :]
        return values

    def saved(self, seq: int, *, partial: bool) -> Bytes:
        """A state's bytes: for each cache its cells, then the recurrent state."""
        parts: list[Bytes] = []
        for cells in self._saved_caches(seq, partial=partial):
            slots = cells.saved(seq)
            header = np.array([len(slots)], np.int64)
            parts += [bytes_of(header), bytes_of(cells.pos[slots]), bytes_of(cells.values[slots])]
        if self._kind.has_recurrent:
            pos, state = self.recurrent[seq] or (-1, 0)
            parts.append(bytes_of(np.array([pos & _ALL_BITS, state, *[0] * 6], np.uint64)))
        return np.concatenate(parts)

    def load(self, seq: int, data: Bytes, *, partial: bool) -> None:
        """Put a state's bytes into a sequence, which is emptied if there is no room."""
        start = 0
        for cells in self._saved_caches(seq, partial=partial):
            cells.remove(seq, 0)
            n = int(data[start : start + 8].view(np.int64)[0])
            pos = np.frombuffer(data[start + 8 : start + 8 + 8 * n].tobytes(), np.int64)
            values = np.frombuffer(data[start + 8 + 8 * n : start + 8 + 16 * n].tobytes(), np.uint64)
            start += 8 + 16 * n
            slots = cells.find(n)
            if slots is None:
                self.clear(seq)
                raise NoRoomError("no room for a saved state")
            cells.place(slots, pos, np.full(n, seq))
            cells.values[slots] = values
        if self._kind.has_recurrent:
            self.recurrent[seq] = recurrent_of(data)
            start += N_BYTES_RECURRENT
        assert start == len(data), "the state is of another kind"

    def _base_sum(self, seq: int, end: int) -> int:
        """The sum of the values of a sequence's cells before `end`, in the 64 bits that `mix` takes of it."""
        cells = self.base[0 if self._is_unified else seq]
        return int(cells.values[cells.seqs[:, seq] & (cells.pos < end)].sum(dtype=np.uint64))

    def _in_window(self, seq: int, start: int, end: int) -> dict[int, int]:
        """By position, the values of the window's cells in `[start, end)`, added up where one is doubled."""
        cells = self.window[0 if self._is_unified else seq]
        seen: dict[int, int] = {}
        slots = cells.of(seq)
        for slot in slots[np.argsort(cells.pos[slots], kind="stable")].tolist():
            position = int(cells.pos[slot])
            if start <= position < end:
                seen[position] = seen.get(position, 0) + int(cells.values[slot])
        return seen

    def _saved_caches(self, seq: int, *, partial: bool) -> list[AttentionCells]:
        caches = self.caches(seq)
        if not partial or not self._kind.has_state_part:
            return caches
        return caches[len(self.base[:1]) :]


def cells_of(data: Bytes) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Positions and values of stored cells."""
    n = len(data) // N_BYTES_CELL
    return np.frombuffer(data[: 8 * n], np.int64), np.frombuffer(data[8 * n :], np.uint64)


def recurrent_of(data: Bytes) -> tuple[int, int]:
    """Position and state at the end of a state's bytes."""
    pos, state, *_ = np.frombuffer(data[-N_BYTES_RECURRENT:].tobytes(), np.uint64)
    return int(pos), int(state)


def bytes_of(array: NDArray[np.generic]) -> Bytes:
    """The bytes of an array, of its own."""
    return np.frombuffer(array.tobytes(), np.uint8)
