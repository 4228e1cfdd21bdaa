"""Computes embeddings of texts, in a separate context that keeps no state."""

import ctypes
from dataclasses import dataclass

import llama_cpp
import numpy as np

from segue.engine import libllama
from segue.engine.base import Embeddings, Tokens, Vector
from segue.engine.creation import FLASH_ATTENTION, create
from segue.engine.errors import EngineError
from segue.engine.model import Model
from segue.engine.pooling import Pooling
from segue.engine.rope import ROPE_OF_FILE, RopeParams


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderParams:
    """`n_tokens` is the longest text: all of it is computed at once, since pooling sees only one physical batch.

    The other sizes and switches are those of `ContextParams`.
    """

    n_tokens: int
    pooling: Pooling = Pooling.MEAN
    n_threads: int = 0
    flash_attention: str = "auto"
    rope: RopeParams = ROPE_OF_FILE
    is_kv_offloaded: bool = True
    offloads_operations: bool = True


class Embedder:
    """Computes embeddings with a loaded model, one text at a time. Raises ModelError if the model cannot.

    One thread at a time.
    """

    def __init__(self, model: Model, params: EmbedderParams) -> None:
        self.n_tokens = params.n_tokens
        self._pooling = params.pooling
        is_rank = params.pooling is Pooling.RANK
        count = llama_cpp.llama_model_n_cls_out if is_rank else llama_cpp.llama_model_n_embd_out
        self.n_embd = int(count(model.handle))
        self._handle = _create(model, params)

    def close(self) -> None:
        """Free the context."""
        llama_cpp.llama_free(self._handle)

    def embed(self, tokens: Tokens) -> Embeddings:
        """The vectors of 1 to `n_tokens` tokens, `n_embd` wide: one, or without pooling one a token.

        They are as the model gives them, of any length. With RANK the first number is the score. Raises EngineError.
        """
        if not 0 < len(tokens) <= self.n_tokens:
            raise ValueError(f"a text has 1 to {self.n_tokens} tokens")
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._handle), True)
        tokens = np.ascontiguousarray(tokens, np.int32)
        pointer = tokens.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token))
        status = llama_cpp.llama_decode(self._handle, llama_cpp.llama_batch_get_one(pointer, len(tokens)))
        if status != 0:
            raise EngineError(f"libllama could not embed (status {status}): {'; '.join(libllama.pop_errors())}")
        if self._pooling is not Pooling.NONE:
            return np.stack([self._vector(llama_cpp.llama_get_embeddings_seq(self._handle, 0))])
        each = (llama_cpp.llama_get_embeddings_ith(self._handle, i) for i in range(len(tokens)))
        return np.stack([self._vector(pointer) for pointer in each])

    def _vector(self, pointer: "ctypes._Pointer[ctypes.c_float]") -> Vector:
        if not pointer:
            raise EngineError("libllama gave no embedding")
        return np.ctypeslib.as_array(pointer, (self.n_embd,)).astype(np.float32)


def _create(model: Model, params: EmbedderParams) -> int:
    native = llama_cpp.llama_context_default_params()
    native.n_ctx = native.n_batch = native.n_ubatch = params.n_tokens
    native.n_seq_max = 1
    native.n_threads = native.n_threads_batch = params.n_threads or native.n_threads
    native.flash_attn_type = FLASH_ATTENTION[params.flash_attention]
    native.offload_kqv, native.op_offload = params.is_kv_offloaded, params.offloads_operations
    native.embeddings = True
    params.rope.apply(native)
    native.pooling_type = params.pooling
    return create(model, native)
