"""The sizes of a context, and its creation."""

from dataclasses import dataclass

import llama_cpp

from segue.engine.creation import FLASH_ATTENTION, KV_TYPES, create, is_causal
from segue.engine.errors import ModelError
from segue.engine.model import Model
from segue.engine.rope import ROPE_OF_FILE, RopeParams

_N_CELLS_STEP = 256
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextParams:
    """Sizes of a context. `n_cells` counts the attention cells in all if unified, else those of each sequence.

    A call of `decode` reads up to `n_batch` tokens, of which up to `n_ubatch` are computed at once. Either may be
    smaller than `n_seq_max`; values above the size of the context are reduced to it. Each call has up to `n_rows` rows
    of logits, and at least one for each sequence. The KV cache lies on the devices that compute with it if it
    `is_kv_offloaded`. If it `offloads_operations`, devices compute large batches with weights in host memory too.
    """

    n_cells: int
    n_seq_max: int
    n_batch: int = 2048
    n_ubatch: int = 512
    n_rows: int = 0
    n_threads: int = 0
    n_threads_batch: int = 0
    is_unified: bool = True
    flash_attention: str = "auto"
    type_k: str = "f16"
    type_v: str = "f16"
    rope: RopeParams = ROPE_OF_FILE
    is_kv_offloaded: bool = True
    offloads_operations: bool = True


def create_context(model: Model, params: ContextParams, *, drafts_for: int | None = None) -> int:
    """Create a context of these sizes; the caller frees it. Raises ModelError if that is impossible.

    With `drafts_for`, a context of the same model, it computes the layers that predict further tokens.
    """
    if drafts_for is not None and not model.has_mtp:
        # libllama would abort when it computes.
        raise ValueError("the layers that predict further tokens are not loaded")
    n_cells = -(-params.n_cells // _N_CELLS_STEP) * _N_CELLS_STEP
    n_ctx = n_cells if params.is_unified else n_cells * params.n_seq_max
    if min(params.n_cells, params.n_seq_max, params.n_batch, params.n_ubatch) < 1:
        raise ValueError("all sizes of a context must be at least 1")
    if n_ctx > _INT32_MAX:
        raise ModelError(f"a context of {n_ctx} cells is more than libllama can count; pass a smaller --ctx-size")
    native = llama_cpp.llama_context_default_params()
    native.n_ctx = n_ctx
    native.n_seq_max = params.n_seq_max
    native.n_ubatch = min(params.n_ubatch, params.n_batch, n_ctx)
    native.n_batch = min(params.n_batch, n_ctx) if _splits(model, params) else native.n_ubatch
    # libllama aborts if it reserves fewer rows of logits than sequences; by default it reserves n_batch rows.
    native.n_outputs_max = n_rows_max(params)
    native.n_threads = params.n_threads or native.n_threads
    native.n_threads_batch = params.n_threads_batch or params.n_threads or native.n_threads_batch
    native.kv_unified = params.is_unified
    native.swa_full = False
    native.flash_attn_type = FLASH_ATTENTION[params.flash_attention]
    native.type_k, native.type_v = KV_TYPES[params.type_k], KV_TYPES[params.type_v]
    native.offload_kqv, native.op_offload = params.is_kv_offloaded, params.offloads_operations
    params.rope.apply(native)
    if drafts_for is not None:
        native.ctx_type, native.ctx_other = llama_cpp.LLAMA_CONTEXT_TYPE_MTP, drafts_for
    return create(model, native)


def n_rows_max(params: ContextParams) -> int:
    """The most rows of logits that a call can have."""
    return max(params.n_seq_max, params.n_rows)


def _splits(model: Model, params: ContextParams) -> bool:
    """Whether a call may be computed in several physical batches.

    A model that is not causal must see all tokens at once. With a window, libllama finds cells for a second physical
    batch by overwriting those that the first one still needs.
    """
    return params.n_batch > params.n_ubatch and not model.kind.has_window and is_causal(model)
