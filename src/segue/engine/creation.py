"""Creates libllama's contexts, with a one-line error that says what to do where libllama would abort or refuse."""

import mmap
import re
from typing import Any, Final
from weakref import WeakKeyDictionary

import llama_cpp

from segue.engine import libllama
from segue.engine.cell_tensors import require_tensors
from segue.engine.errors import ModelError
from segue.engine.model import Model

FLASH_ATTENTION: Final = {"auto": -1, "off": 0, "on": 1}
KV_TYPES: Final = {"f32": 0, "f16": 1, "bf16": 30, "q8_0": 8, "q4_0": 2, "q4_1": 3, "iq4_nl": 20, "q5_0": 6, "q5_1": 7}
_PLAIN_TYPES = tuple(KV_TYPES[name] for name in ("f32", "f16", "bf16"))
_N_THREADS_MOST = 512
_causal: "WeakKeyDictionary[Model, bool]" = WeakKeyDictionary()
_N_BYTES_NODE = 25_000
_N_NODES_RECURRENT = 40
_N_NODES: Final = {
    "kimi-k3": 160,
    "glm5-next": 160,
    "hrm_text": 80,
    "deepseek4": 40,
    "hy_v4": 40,
    "minimax-m3": 40,
    "nanbeige": 40,
}
"""Architectures for which libllama reserves graph nodes for each token; others have a fixed number per batch."""
_HINTS: Final = (
    (re.compile(r"K cache type .* does not divide"), "pass --cache-type-k f16"),
    (re.compile(r"V cache type .* does not divide"), "pass --cache-type-v f16"),
    (re.compile(r"requires flash_attn|requires Flash Attention"), "pass --cache-type-v f16 or --flash-attn on"),
    (re.compile(r"different K .* and V"), "pass the same type as --cache-type-k and --cache-type-v"),
    (re.compile(r"alloc|memory|buffer"), "try a smaller --ctx-size or --ubatch-size"),
)
"""Advice for the user, by the error that libllama gives when it refuses a context."""


def create(model: Model, native: Any) -> int:
    """Create a context with these `llama_context_params`; the caller frees it. Raises ModelError on failure."""
    if max(native.n_threads, native.n_threads_batch) > _N_THREADS_MOST:
        raise ModelError(
            f"libllama runs at most {_N_THREADS_MOST} threads; pass a smaller --threads or --threads-batch"
        )
    _require_graph(model, min(native.n_ubatch, native.n_ctx))
    if native.flash_attn_type == FLASH_ATTENTION["off"] and native.type_k not in _PLAIN_TYPES:
        _require_whole_blocks(model, native.type_k)
    require_tensors(model.handle, native)
    libllama.pop_errors()
    handle = llama_cpp.llama_init_from_model(model.handle, native)
    if not handle:
        reason = "; ".join(libllama.pop_errors()) or "not enough memory"
        hint = next((f"; {hint}" for pattern, hint in _HINTS if pattern.search(reason)), "")
        raise ModelError(f"cannot make a context of {native.n_ctx} tokens: {reason}{hint}")
    return handle  # type: ignore[no-any-return]


def is_causal(model: Model) -> bool:
    """Whether each token attends only to earlier tokens.

    libllama has no function that tells, but it limits the batch of a causal model to the context.
    """
    if model not in _causal:
        _causal[model] = _try_causal(model)
    return _causal[model]


def _try_causal(model: Model) -> bool:
    native = llama_cpp.llama_context_default_params()
    native.n_ctx = native.n_ubatch = native.n_seq_max = 1
    native.n_batch = 2
    handle = create(model, native)
    n_batch = int(llama_cpp.llama_n_batch(handle))
    llama_cpp.llama_free(handle)
    return n_batch == 1


def _require_graph(model: Model, n_ubatch: int) -> None:
    """Raise ModelError if memory is too small for the graph of `n_ubatch` tokens, which libllama does not check."""
    usual = _N_NODES_RECURRENT if model.kind.has_recurrent else 0
    n_bytes = n_ubatch * _N_NODES.get(model.meta.get("general.architecture", ""), usual) * _N_BYTES_NODE
    try:
        if n_bytes:
            mmap.mmap(-1, n_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, OverflowError) as error:
        raise ModelError(
            f"computing {n_ubatch} tokens at once takes {n_bytes / 2**30:.1f} GiB for their graph alone; "
            "pass a smaller --ubatch-size"
        ) from error


def _require_whole_blocks(model: Model, type_k: int) -> None:
    """Raise ModelError for keys whose size is not a multiple of the block size of their type.

    libllama checks this only if it may use flash attention, and otherwise aborts or computes nonsense.
    """
    native = llama_cpp.llama_context_default_params()
    native.n_ctx = native.n_batch = native.n_ubatch = native.n_seq_max = 1
    native.type_k = type_k
    llama_cpp.llama_free(create(model, native))
