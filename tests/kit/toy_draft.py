"""A second context that reads along with a simulated model: it adds the part `draft` to what is saved.

It has a cell for each token, except where it skips some, and a row for the last token of each sequence. It has both at
any time where nothing was restored, and its cells always; the row is a state, so plain attention does not keep it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from segue.engine.base import Chunk, Engine, Tokens
from segue.engine.context_params import ContextParams
from segue.engine.positions import pos_after
from segue.engine.state import Bytes, Cells, Parts, State
from segue.memory import MemoryKind, MemoryTraits
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.rig import Heard, Rig

DRAFT: Final = "draft"

_N_BYTES_CELL: Final = 16
_N_BYTES_ROW: Final = 8
_SKIPPED: Final = range(12, 28)
_FACTOR: Final = 0x9E3779B97F4A7C15


@dataclass(slots=True)
class Draft:
    """What the draft context holds of a sequence: cells by position, and the row, None if it is not known."""

    cells: dict[int, int] = field(default_factory=dict)
    row: int | None = None

    def read(self, position: int, token: int) -> None:
        value = (position * _FACTOR + token * token + 1) % (1 << 64)
        self.row = value ^ 1
        if position % 40 not in _SKIPPED:
            self.cells[position] = value

    def between(self, pos: int, pos_end: int) -> "Draft":
        return Draft({at: value for at, value in self.cells.items() if pos <= at < pos_end})

    def to_bytes(self, *, with_cells: bool) -> Bytes:
        """The cells as `FakeEngine` cuts them, then the row if it is known."""
        cells = self.cells if with_cells else {}
        row = [] if self.row is None else [self.row]
        return np.array([*cells.keys(), *cells.values(), *row], np.uint64).view(np.uint8)

    def parts(self, *, with_cells: bool) -> Parts:
        data = self.to_bytes(with_cells=with_cells)
        return {DRAFT: data} if len(data) else {}

    @classmethod
    def from_parts(cls, parts: Parts) -> "Draft":
        numbers = np.frombuffer(parts.get(DRAFT, np.empty(0, np.uint8)).tobytes(), np.uint64).tolist()
        n = len(numbers) // 2
        return cls(dict(zip(numbers[:n], numbers[n : 2 * n], strict=True)), numbers[-1] if len(numbers) % 2 else None)


def expected_draft(tokens: Iterable[int]) -> Draft:
    """What the draft context holds after a path."""
    draft = Draft()
    for position, token in enumerate(tokens):
        draft.read(position, int(token))
    return draft


class DraftingEngine(FakeEngine):
    """A simulated engine whose draft context reads all tokens that it reads, and no embeddings."""

    def __init__(self, kind: MemoryTraits, **sizes: Any) -> None:
        super().__init__(kind, **sizes)
        shape = self.shape
        n_bytes_cell, n_bytes_state = shape.n_bytes_cell + _N_BYTES_CELL, shape.n_bytes_state + _N_BYTES_ROW
        self.shape = replace(shape, n_bytes_cell=n_bytes_cell, n_bytes_state=n_bytes_state)
        self.drafts = [Draft() for _ in range(self.n_seq_max)]

    def decode(self, chunks: list[Chunk]) -> list[tuple[int, ...]]:
        rows = super().decode(chunks)
        for chunk in chunks:
            n, positions = len(chunk.inputs), chunk.positions
            start = self.position(chunk.seq) - (positions.n_pos if positions else n)
            offsets = positions.offsets.tolist() if positions else range(n)
            if chunk.inputs.ndim == 1:
                for offset, token in zip(offsets, chunk.inputs.tolist(), strict=True):
                    self.drafts[chunk.seq].read(start + offset, token)
        return rows

    def copy(self, src: int, dst: int, *, trims_window: bool = False) -> None:
        super().copy(src, dst, trims_window=trims_window)
        self.drafts[dst] = replace(self.drafts[src], cells=dict(self.drafts[src].cells))

    def borrow(self, src: int, dst: int, n_tokens: int, state: State | None) -> None:
        super().borrow(src, dst, n_tokens, state)
        self.drafts[dst] = self.drafts[src].between(0, self.position(dst))
        self._take_row(dst, state)

    def rewind(self, seq: int, n_tokens: int) -> None:
        self._require(seq)
        n_before = self.length(seq)
        super().rewind(seq, n_tokens)
        if n_tokens < n_before:
            self.drafts[seq] = self.drafts[seq].between(0, self.position(seq))

    def drop(self, seq: int) -> None:
        super().drop(seq)
        self.drafts[seq] = Draft()

    def state_bytes(self, seq: int, *, partial: bool) -> int:
        return super().state_bytes(seq, partial=partial) + self.drafts[seq].to_bytes(with_cells=not partial).nbytes

    def save(self, seq: int, *, partial: bool) -> State:
        state = super().save(seq, partial=partial)
        return replace(state, parts={**state.parts, **self.drafts[seq].parts(with_cells=not partial)})

    def load(self, state: State, seq: int) -> None:
        super().load(state, seq)
        self.drafts[seq] = Draft.from_parts(state.parts)

    def save_cells(self, seq: int, start: int, end: int, via: int) -> Cells:
        cells = super().save_cells(seq, start, end, via)
        found = self.drafts[seq].between(pos_after(start, cells.jumps), pos_after(end, cells.jumps))
        return replace(cells, parts={**cells.parts, **found.parts(with_cells=True)})

    def put_cells(self, seq: int, runs: Sequence[Cells], end: int, state: State | None, via: int) -> None:
        self._require(seq)
        start = self.position(seq)
        super().put_cells(seq, runs, end, state, via)
        for run in runs:
            self.drafts[seq].cells |= Draft.from_parts(run.parts).between(start, self.position(seq)).cells
        self._take_row(seq, state)

    def put_state(self, seq: int, state: State) -> None:
        super().put_state(seq, state)
        self._take_row(seq, state)

    def _take_row(self, seq: int, state: State | None) -> None:
        self.drafts[seq].row = None if state is None else Draft.from_parts(state.parts).row


class DraftRig(Rig):
    """A loop over a simulated hybrid with a draft context; the model's file is of no use."""

    def open_engine(self, path: Path, params: ContextParams) -> tuple[Engine, Mapping[str, str]]:  # noqa: ARG002
        engine = DraftingEngine(
            MemoryKind.HYBRID_WINDOW,
            n_cells=params.n_cells,
            n_seq_max=params.n_seq_max,
            n_batch=params.n_batch,
            n_ubatch=params.n_ubatch,
            is_unified=params.is_unified,
        )
        return engine, {"model": "toy", "type of keys": params.type_k}

    def close_engine(self) -> None:
        """There is nothing to free."""


class DraftReference:
    """What the model makes of a prompt when nothing is cached, and no draft context reads along."""

    def agrees(self, tokens: Tokens, heard: Heard) -> None:
        """Assert that a reply is the uncached one, to the last token."""
        wanted = expected_reply(MemoryKind.HYBRID_WINDOW, np.asarray(tokens, np.int32), len(heard.tokens))
        assert heard.tokens == wanted
