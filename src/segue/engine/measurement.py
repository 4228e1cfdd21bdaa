"""Measures the sizes of a model's memory in a small context."""

from dataclasses import replace

import numpy as np

from segue.engine.base import Chunk
from segue.engine.cells import N_STATE_HEADER
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.model import Model
from segue.engine.mtp_engine import MTP, MtpEngine
from segue.engine.nextn import NextN
from segue.memory import MemoryShape


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
    """The sizes of a model's memory and of that of its layers for further tokens, together."""
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
