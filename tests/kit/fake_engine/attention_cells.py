"""libllama's attention cells, simulated."""

import numpy as np
from numpy.typing import NDArray

Slots = NDArray[np.intp]


class AttentionCells:
    """One stream of libllama's attention cells; `n_swa` is 0 where all of a sequence is seen.

    `find`, `place` and `prepare` follow llama-kv-cache.cpp step by step, since the order in which window cells are
    used again decides what a sequence still holds.
    """

    def __init__(self, n_cells: int, n_seq_max: int, n_swa: int) -> None:
        self.n_swa = n_swa
        self.pos = np.full(n_cells, -1, np.int64)
        self.values = np.zeros(n_cells, np.uint64)
        # What is asked most often is one sequence's cells, and how many sequences each cell has.
        self.seqs = np.zeros((n_cells, n_seq_max), np.bool_, order="F")
        self._head = 0

    def of(self, seq: int) -> Slots:
        """The cells of a sequence, in the order they lie in."""
        return np.flatnonzero(self.seqs[:, seq])

    def span(self, seq: int) -> tuple[int, int]:
        """The lowest and the highest position of a sequence, -1 if it has none."""
        pos = self.pos[self.seqs[:, seq]]
        return (int(pos.min()), int(pos.max())) if len(pos) else (-1, -1)

    def find(self, n_tokens: int) -> Slots | None:
        """Cells that are free, or that their only sequence does not see any more."""
        n_seqs = self.seqs.sum(axis=1)
        usable = n_seqs == 0
        if self.n_swa:
            pos_next = np.where(self.seqs, self.pos[:, None], -1).max(axis=0) + 1
            usable |= (n_seqs == 1) & (pos_next[self.seqs.argmax(axis=1)] - self.pos >= self.n_swa)
        head = 0 if self._head > np.count_nonzero(n_seqs) + 2 * n_tokens else self._head
        slots = np.flatnonzero(usable)
        first = int(np.searchsorted(slots, head))
        slots = np.concatenate((slots[first:], slots[:first]))[:n_tokens]
        return slots if len(slots) == n_tokens else None

    def place(self, slots: Slots, pos: NDArray[np.int64], seqs: NDArray[np.int64]) -> None:
        """Give cells to tokens; a sequence that loses one loses those at lower positions too."""
        lost: dict[int, int] = {}
        for slot in slots[self.seqs[slots].any(axis=1)].tolist():
            owner = int(self.seqs[slot].argmax())
            lost[owner] = max(lost.get(owner, -1), int(self.pos[slot]))
        self.seqs[slots] = False
        self.pos[slots] = pos
        self.seqs[slots, seqs] = True
        for seq, upto in lost.items():
            self.remove(seq, 0, upto + 1)
        self._head = int(slots[-1]) + 1

    def prepare(self, ubatches: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> list[Slots] | None:
        """Cells for a row of physical batches, or None if they do not all fit; nothing is placed yet.

        As in libllama, lower positions that a sequence lost while this was tried stay lost.
        """
        found: list[Slots] = []
        before = []
        for pos, seqs in ubatches:
            slots = self.find(len(pos))
            if slots is None:
                break
            found.append(slots)
            before.append((slots, self.pos[slots], self.seqs[slots], self._head))
            if len(slots):
                self.place(slots, pos, seqs)
        for slots, old_pos, old_seqs, head in reversed(before):
            self.pos[slots], self.seqs[slots], self._head = old_pos, old_seqs, head
        return found if len(found) == len(ubatches) else None

    def remove(self, seq: int, start: int, end: int = 1 << 62) -> None:
        """Take a sequence off its cells in `[start, end)`."""
        gone = self.seqs[:, seq] & (start <= self.pos) & (self.pos < end)
        self.seqs[gone, seq] = False
        emptied = np.flatnonzero(gone & ~self.seqs.any(axis=1))
        self.pos[emptied] = -1
        if len(emptied):
            self._head = min(self._head, int(emptied[0]))

    def share(self, src: int, dst: int, end: int = 1 << 62, start: int = 0) -> None:
        """Let `dst` see what `src` sees in `[start, end)`."""
        self.seqs[self.seqs[:, src] & (self.pos >= start) & (self.pos < end), dst] = True

    def saved(self, seq: int) -> Slots:
        """The cells that a state carries: those that the last token of the sequence sees."""
        slots = self.of(seq)
        return slots[self.span(seq)[1] - self.pos[slots] < self.n_swa] if self.n_swa else slots
