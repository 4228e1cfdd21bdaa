"""A simulated machine with a clock of its own: only reading and copying take time, at the rates that it is given.

One byte of the simulation stands for 4,096 of a model of Qwen3.6-27B's shape: a state has 150 MiB, a cell 64 KiB. A
window of 96 tokens, as tiny Gemma 3 has it, stands for one of 1,024, which takes as much as a state once it is full.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from segue.engine.base import Chunk, Engine, Tokens
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure_copies
from segue.engine.state import Cells, State
from segue.memory import MemoryTraits
from segue.policy.prices import Prices
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.rig import Heard, Rig
from tests.kit.waiting import PATIENCE_S

N_REAL_BYTES: Final = 4096
N_BYTES_STATE: Final = (150 << 20) // N_REAL_BYTES
N_SWA: Final = 96
_N_REAL_SWA: Final = 1024
_N_TURNS_MOST: Final = 100_000
TOKEN_S: Final = 1e-3
BATCH_S: Final = 5e-3
SLOW_BYTES_S: Final = 0.5e9
FAST_BYTES_S: Final = 25e9


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy between the device and the host: when it began, how long it took, and the call that made it."""

    began: float
    seconds: float
    call: str


class SlowEngine(FakeEngine):
    """Reads a token in a millisecond, after 5 for each batch, and copies `bytes_s` bytes a second, either way.

    Sharing cells takes no time, but for the one of a window that is copied to park it. `now` is the time, and `copies`
    lists all other copies so far.
    """

    def __init__(self, kind: MemoryTraits, *, bytes_s: float, **sizes: Any) -> None:
        super().__init__(kind, n_swa=N_SWA, **sizes)
        self.now = 0.0
        self.copies: list[Copy] = []
        self._bytes_s = bytes_s / N_REAL_BYTES
        self._padding = np.zeros(N_BYTES_STATE, np.uint8)
        if kind.has_state_part:
            self.shape = replace(self.shape, n_bytes_state=N_BYTES_STATE)

    def clock(self) -> float:
        """The time of the simulation, in seconds."""
        return self.now

    def copy_s(self, n_states: int, n_cells: int = 0) -> float:
        """How long it takes to copy so many full states and cells."""
        return (n_states * self.shape.n_bytes_state + n_cells * self.shape.n_bytes_cell) / self._bytes_s

    def decode(self, chunks: list[Chunk]) -> list[tuple[int, ...]]:
        rows = super().decode(chunks)
        self.now += BATCH_S + TOKEN_S * sum(len(chunk.inputs) for chunk in chunks)
        return rows

    def copy(self, src: int, dst: int, *, trims_window: bool = False) -> None:
        super().copy(src, dst, trims_window=trims_window)
        if trims_window and self.length(src) > self.shape.n_swa > 0:
            self.now += 2 * self.copy_s(1) / _N_REAL_SWA

    def borrow(self, src: int, dst: int, n_tokens: int, state: State | None) -> None:
        super().borrow(src, dst, n_tokens, state)
        if state is not None:
            self._charge("borrow", state.n_bytes)

    def state_bytes(self, seq: int, *, partial: bool) -> int:
        return super().state_bytes(seq, partial=partial) + self._n_padding(seq)

    def save(self, seq: int, *, partial: bool) -> State:
        state = super().save(seq, partial=partial)
        state = replace(state, parts={**state.parts, "padding": self._padding[: self._n_padding(seq)]})
        self._charge("save", state.n_bytes)
        return state

    def load(self, state: State, seq: int) -> None:
        super().load(state, seq)
        self._charge("load", state.n_bytes)

    def save_cells(self, seq: int, start: int, end: int, via: int) -> Cells:
        cells = super().save_cells(seq, start, end, via)
        self._charge("save_cells", self.shape.n_bytes_state + cells.n_bytes)
        return cells

    def put_cells(self, seq: int, runs: Sequence[Cells], end: int, state: State | None, via: int) -> None:
        n_held = self.length(seq)
        super().put_cells(seq, runs, end, state, via)
        self._charge("put_cells", self.shape.n_bytes_state + (end - n_held) * self.shape.n_bytes_cell)

    def put_state(self, seq: int, state: State) -> None:
        super().put_state(seq, state)
        self._charge("put_state", state.n_bytes)

    def _n_padding(self, seq: int) -> int:
        """What the state of a sequence lacks to be as large as it would be: that of a window grows until it is full."""
        kind, n_swa = self.shape.kind, self.shape.n_swa
        if not kind.has_state_part:
            return 0
        n_bytes = N_BYTES_STATE * min(self.length(seq), n_swa) // n_swa if kind.has_window else N_BYTES_STATE
        return max(0, n_bytes - super().state_bytes(seq, partial=True))

    def _charge(self, call: str, n_bytes: int) -> None:
        seconds = n_bytes / self._bytes_s
        self.copies.append(Copy(self.now, seconds, call))
        self.now += seconds


class SlowRig(Rig):
    """A loop over such an engine; the model's file is of no use. Rates are measured at start, and learned, as they are.

    Only reading is known from the start: it is measured in batches that most tests do without.
    """

    kind: MemoryTraits
    engine: SlowEngine

    def __init__(self, kind: MemoryTraits, bytes_s: float, **options: Any) -> None:
        self.kind = kind
        self._bytes_s = bytes_s
        super().__init__(Path(), **options)

    def open_engine(self, path: Path, params: ContextParams) -> tuple[Engine, Mapping[str, str]]:  # noqa: ARG002
        engine = SlowEngine(
            self.kind,
            bytes_s=self._bytes_s,
            n_cells=params.n_cells,
            n_seq_max=params.n_seq_max,
            n_batch=params.n_batch,
            n_ubatch=params.n_ubatch,
            is_unified=params.is_unified,
        )
        return engine, {"model": "slow"}

    def cache_options(self) -> dict[str, Any]:
        # The loop's engine belongs to the loop's thread.
        twin, clock = SlowEngine(self.kind, bytes_s=self._bytes_s), self.engine.clock
        rates = measure_copies(twin, twin.clock)
        prices = Prices(rates.save_bytes_s, rates.load_bytes_s, token_s=TOKEN_S, overhead_s=BATCH_S, clock=clock)
        return {"prices": prices, "clock": clock}

    def ask(self, tokens: Sequence[int] | Tokens, n_predict: int = 8, **job: object) -> Heard:
        heard = super().ask(tokens, n_predict, **job)
        self.rest()
        return heard

    def rest(self) -> None:
        """Return once the loop has nothing to do: how far deferred work comes must not depend on the time it has."""
        # Each call takes a turn of the loop, in which it does some of its work.
        assert any(self.loop.call(self._is_at_rest).result(PATIENCE_S) for _ in range(_N_TURNS_MOST)), "it never rests"

    def _is_at_rest(self) -> bool:
        return self.loop._is_maintained

    def close_engine(self) -> None:
        """There is nothing to free."""
