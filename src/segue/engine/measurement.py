"""Measures the sizes of a model's memory in a small context, and how fast states are copied in the real one."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from segue.engine.base import Chunk, Engine
from segue.engine.cells import N_STATE_HEADER
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.model import Model
from segue.engine.mtp_engine import MTP, MtpEngine
from segue.engine.nextn import NextN
from segue.memory import MemoryShape

log = logging.getLogger(__name__)

_N_TOKENS = 32
_LONG_S = 0.1


@dataclass(frozen=True, slots=True)
class CopyRates:
    """Bytes a second from the device to the host, and of the way back, as a copy of `n_bytes` has shown."""

    n_bytes: int
    save_bytes_s: float
    load_bytes_s: float


def measure(model: Model, params: ContextParams) -> MemoryShape:
    """Measure the bytes of a token and of a checkpoint of this model in a small context; also warms up the weights.

    Both are 0 for an encoder.
    """
    small = _small(params, 1)
    n_bytes_logits = 4 * model.vocabulary.n_tokens
    context = Context(model, small, MemoryShape(model.kind, model.n_swa, 0, 0, n_bytes_logits))
    try:
        if not context.can_generate:
            return context.shape
        sizes = []
        for n in (2, 32):
            context.decode([Chunk(0, np.zeros(n, np.int32))])
            partial = context.state_bytes(0, partial=True) if model.kind.has_state_part else 0
            sizes.append((context.state_bytes(0, partial=False) - max(0, partial - N_STATE_HEADER), partial))
    finally:
        context.close()
    (cells_2, part_2), (cells_34, part_34) = sizes
    n_bytes_window = (part_34 - part_2) // 32 * max(0, model.n_swa - 2)
    n_bytes_cell = (cells_34 - cells_2) // 32
    n_bytes_segment = cells_2 - 2 * n_bytes_cell
    return MemoryShape(model.kind, model.n_swa, n_bytes_cell, part_2 + n_bytes_window, n_bytes_logits, n_bytes_segment)


def measure_mtp(model: Model, params: ContextParams, nextn: NextN) -> MemoryShape:
    """The sizes of a model's memory and of that of its multi-token-prediction layers, together."""
    small, shape = _small(params, 2), measure(model, params)
    engine = MtpEngine(Context(model, small, shape), small, nextn, shape)
    try:
        sizes = []
        for n in (2, 32):
            engine.decode([Chunk(0, np.zeros(n, np.int32))])
            sizes.append(len(engine.save_cells(0, 0, engine.length(0), 1).parts[MTP]))
        n_bytes_cell = (sizes[1] - sizes[0]) // 32
        n_bytes_row = len(engine.save(0, partial=True).parts[MTP]) if model.kind.has_state_part else 0
    finally:
        engine.close()
    return replace(
        shape,
        n_bytes_cell=shape.n_bytes_cell + n_bytes_cell,
        n_bytes_state=shape.n_bytes_state + n_bytes_row,
        n_bytes_segment=shape.n_bytes_segment + sizes[0] - 2 * n_bytes_cell,
    )


def _small(params: ContextParams, n_seq_max: int) -> ContextParams:
    return ContextParams(
        n_cells=256,
        n_seq_max=n_seq_max,
        n_batch=64,
        n_ubatch=64,
        n_threads=params.n_threads,
        n_threads_batch=params.n_threads_batch,
        flash_attention=params.flash_attention,
        type_k=params.type_k,
        type_v=params.type_v,
        is_kv_offloaded=params.is_kv_offloaded,
        offloads_operations=params.offloads_operations,
    )


def measure_copies(engine: Engine, clock: Callable[[], float] = time.perf_counter) -> CopyRates:
    """Measure how fast a state is copied to the host and back, on the first sequence, which must be empty."""
    # A recurrent state has its full size from the first token on.
    is_full_at_once = engine.shape.kind.has_recurrent and not engine.shape.kind.has_window
    n_tokens = 1 if is_full_at_once else min(_N_TOKENS, engine.n_ubatch)
    engine.decode([Chunk(0, np.zeros(n_tokens, np.int32))])
    try:
        # The first copies also pay for memory that was never used before.
        for _ in range(2):
            started = clock()
            state = engine.save(0, partial=False)
            saved = clock()
            engine.drop(0)
            dropped = clock()
            engine.load(state, 0)
            save_s, load_s = saved - started, clock() - dropped
            if save_s + load_s > _LONG_S:
                break
    finally:
        engine.drop(0)
    log.info(
        "a state of %.1f MiB is copied to the host in %.1f ms, and back in %.1f ms",
        state.n_bytes / 2**20,
        1000 * save_s,
        1000 * load_s,
    )
    return CopyRates(state.n_bytes, state.n_bytes / max(save_s, 1e-9), state.n_bytes / max(load_s, 1e-9))
