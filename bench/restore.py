"""How fast a state comes back from the host and from the disk, beside libllama's own call on the same bytes.

Host: joining the segments of a chain and putting them into a sequence, beside bare calls that set the bytes of each.
Disk: reading, verifying and unpacking the files, and then the same.
"""

import os
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np

from bench.options import Options
from bench.row import BARE, SEGUE, Goal, Row, compared
from bench.turns import in_turns
from segue.cache.entries.arrays import cells_from_arrays, cells_to_arrays
from segue.cache.tiers.pieces import first_piece
from segue.engine.base import Chunk
from segue.engine.cells import N_STATE_HEADER
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.state import Bytes, Cells, State, part_of
from segue.storage import blobfile
from tests.kit.models import model_path

_N_TOKENS: Final = 32_768
_N_QUICK: Final = 4_096
_N_SEGMENTS: Final = 16
_N_ROUNDS: Final = 9
_TARGET, _VIA, _SOURCE = range(3)
_HOST, _WARM, _COLD = "from host", "from disk, page cache warm", "from disk, page cache cold"
_GOALS: Final = {
    _HOST: Goal(0.9, at_least=True),
    _WARM: Goal(0.6, at_least=True),
    _COLD: Goal(0.6, at_least=True),
}


def n_steps(options: Options) -> int:
    """How many restores are timed, those to warm up among them."""
    return 2 * len(_GOALS) * (options.repeats(_N_ROUNDS) + 1)


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Store one sequence as a chain, and restore it in each way in turns."""
    n_tokens = _N_QUICK if options.is_quick else _N_TOKENS
    model = Model(model_path(options.model_name))
    params = ContextParams(n_cells=3 * n_tokens, n_seq_max=3, n_threads=options.threads)
    context = Context(model, params, measure(model, params))
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _measured(context, Path(folder), n_tokens, options.repeats(_N_ROUNDS), advance)
    finally:
        context.close()
        model.close()


def _measured(context: Context, folder: Path, n_tokens: int, n_rounds: int, advance: Callable[[], None]) -> list[Row]:
    rng = np.random.default_rng(0)
    for _ in range(0, n_tokens, context.n_batch):
        context.decode([Chunk(_SOURCE, rng.integers(33, 127, context.n_batch, np.int32))])
    bounds = np.linspace(0, n_tokens, _N_SEGMENTS + 1).astype(int).tolist()
    segments = [context.save_cells(_SOURCE, a, b, _VIA) for a, b in pairwise(bounds)]
    state = context.save(_SOURCE, partial=True)
    own = part_of(state)[N_STATE_HEADER:]
    blobs = [np.concatenate((part_of(segment), own)) for segment in segments]
    context.drop(_SOURCE)
    names = [f"segment{i}" for i in range(len(segments))]
    for name, segment in zip(names, segments, strict=True):
        blobfile.write(folder, name, cells_to_arrays(segment))
    n_mib = sum(segment.n_bytes for segment in segments) / 2**20

    def read() -> list[Cells]:
        return [cells_from_arrays(blobfile.read(folder / name)) for name in names]

    def rate(action: Callable[[], None], *, is_cold: bool = False) -> float:
        if is_cold:
            _forget([folder / name for name in names])
        started = time.perf_counter()
        action()
        seconds = time.perf_counter() - started
        context.drop(_TARGET)
        return n_mib / seconds

    def bare_host() -> None:
        for blob in blobs:
            _set(context, blob)

    def bare_disk() -> None:
        for cells in read():
            _set(context, np.concatenate((part_of(cells), own)))

    measures = {
        (_HOST, SEGUE): lambda: rate(lambda: _put(context, segments, state)),
        (_HOST, BARE): lambda: rate(bare_host),
        (_WARM, SEGUE): lambda: rate(lambda: _put(context, read(), state)),
        (_WARM, BARE): lambda: rate(bare_disk),
        (_COLD, SEGUE): lambda: rate(lambda: _put(context, read(), state), is_cold=True),
        (_COLD, BARE): lambda: rate(bare_disk, is_cold=True),
    }
    measured = in_turns(measures, n_rounds, advance)
    return [
        compared(
            "restore",
            what,
            "MiB/s",
            {name: measured[what, name] for name in (SEGUE, BARE)},
            over=BARE,
            goal=goal,
            at=n_tokens,
        )
        for what, goal in _GOALS.items()
    ]


def _forget(paths: list[Path]) -> None:
    """Drop files from the page cache; they were synced when they were written."""
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _put(context: Context, segments: list[Cells], state: State) -> None:
    rest = [(segment, segment.end) for segment in segments]
    n_most = context.shape.n_bytes_cells_most // context.shape.n_bytes_cell
    while rest:
        cells, end = first_piece(rest, n_most)
        context.put_cells(_TARGET, cells, end, state, _VIA)
        rest = rest[len(cells) :]


def _set(context: Context, data: Bytes) -> None:
    context._set(_VIA, data, 0)
    context.drop(_VIA)
