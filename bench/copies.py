"""How long the state and the cells of a conversation take to be copied to the host and back, and to be parked."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.options import Options
from bench.row import SEGUE, Row, Spread
from segue.engine.base import Chunk
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.state import State

_N_TOKENS: Final = 4096
_N_ROUNDS: Final = 9
_N_COPIES_MOST: Final = 5
_SOURCE, _TARGET, _VIA = range(3)


@dataclass(frozen=True, slots=True)
class _Way:
    """A copy to be timed, after what must be done before."""

    what: str
    prepare: Callable[[], None]
    copy: Callable[[], None]


def n_steps(options: Options) -> int:
    """How many copies are timed at most, those to warm up among them."""
    return _N_COPIES_MOST * (options.repeats(_N_ROUNDS) + 1)


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Read a conversation, and copy it in each way."""
    model = Model(options.model_path)
    params = ContextParams(n_cells=3 * _N_TOKENS, n_seq_max=3, n_threads=options.threads)
    context = Context(model, params, measure(model, params))
    try:
        rng = np.random.default_rng(0)
        for _ in range(0, _N_TOKENS, context.n_batch):
            context.decode([Chunk(_SOURCE, rng.integers(33, 127, context.n_batch, np.int32))])
        return _measured(context, options.repeats(_N_ROUNDS), advance)
    finally:
        context.close()
        model.close()


def _measured(context: Context, n_rounds: int, advance: Callable[[], None]) -> list[Row]:
    series: dict[str, list[float]] = {}
    ways = list(_ways(context))
    for i in range(n_rounds + 1):
        for way in ways:
            way.prepare()
            started = time.perf_counter()
            way.copy()
            seconds = time.perf_counter() - started
            context.drop(_TARGET)
            if i:
                series.setdefault(way.what, []).append(1000 * seconds)
            advance()
    return [Row("copies", what, "ms", {SEGUE: Spread.of(values)}, at=_N_TOKENS) for what, values in series.items()]


def _ways(context: Context) -> Iterator[_Way]:
    """What is copied; the target is empty before and afterwards."""
    shape = context.shape
    state = context.save(_SOURCE, partial=True) if shape.kind.has_state_part else None

    def share() -> None:
        if shape.kind.shares_cells:
            context.copy(_SOURCE, _TARGET)

    def park() -> None:
        context.copy(_SOURCE, _TARGET, trims_window=True)

    yield _Way("parking a conversation", _nothing, park)
    if state is not None:

        def save() -> None:
            context.save(_SOURCE, partial=True)

        def put(kept: State = state) -> None:
            if shape.kind.shares_cells:
                context.put_state(_TARGET, kept)
            else:
                context.load(kept, _TARGET)

        size = f"a state of {state.n_bytes / 2**20:.1f} MiB"
        yield _Way(f"{size} to the host", _nothing, save)
        yield _Way(f"{size} back", share, put)
    if shape.kind.shares_cells:
        n_tokens = min(_N_TOKENS, shape.n_bytes_cells_most // shape.n_bytes_cell)
        cells = context.save_cells(_SOURCE, 0, n_tokens, _VIA)

        def save_cells() -> None:
            context.save_cells(_SOURCE, 0, n_tokens, _VIA)

        def put_cells() -> None:
            context.put_cells(_TARGET, [cells], n_tokens, state, _VIA)

        size = f"cells of {cells.n_bytes / 2**20:.1f} MiB"
        yield _Way(f"{size} to the host", _nothing, save_cells)
        yield _Way(f"{size} back", _nothing, put_cells)


def _nothing() -> None:
    """Nothing is to be prepared."""
