"""Computes embeddings of texts, in a separate context that keeps no state."""

import ctypes
from dataclasses import dataclass

import llama_cpp
import numpy as np

from segue.engine import libllama
from segue.engine.base import Tokens, Vector
from segue.engine.creation import FLASH_ATTENTION, create
from segue.engine.errors import EngineError, ModelError
from segue.engine.model import Model
from segue.engine.rope import ROPE_OF_FILE, RopeParams

_NONE = llama_cpp.LLAMA_POOLING_TYPE_NONE
_POOLINGS = (llama_cpp.LLAMA_POOLING_TYPE_MEAN, llama_cpp.LLAMA_POOLING_TYPE_CLS, llama_cpp.LLAMA_POOLING_TYPE_LAST)


@dataclass(frozen=True, slots=True)
class EmbedderParams:
    """`n_tokens` is the longest text: all of it is computed at once, since pooling sees only one physical batch."""

    n_tokens: int
    n_threads: int = 0
    flash_attention: str = "auto"
    rope: RopeParams = ROPE_OF_FILE


class Embedder:
    """Computes embeddings with a loaded model, one text at a time. Raises ModelError if the model cannot.

    Embeddings are pooled as the model's file says, else by the mean of all tokens. One thread at a time.
    """

    def __init__(self, model: Model, params: EmbedderParams) -> None:
        self.n_tokens = params.n_tokens
        self.n_embd = int(llama_cpp.llama_model_n_embd_out(model.handle))
        self._handle = _create(model, params)

    def close(self) -> None:
        """Free the context."""
        llama_cpp.llama_free(self._handle)

    def embed(self, tokens: Tokens) -> Vector:
        """The normalised vector of 1 to `n_tokens` tokens. Raises EngineError."""
        if not 0 < len(tokens) <= self.n_tokens:
            raise ValueError(f"a text has 1 to {self.n_tokens} tokens")
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self._handle), True)
        tokens = np.ascontiguousarray(tokens, np.int32)
        pointer = tokens.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token))
        status = llama_cpp.llama_decode(self._handle, llama_cpp.llama_batch_get_one(pointer, len(tokens)))
        if status != 0:
            raise EngineError(f"libllama could not embed (status {status}): {'; '.join(libllama.pop_errors())}")
        pooled = llama_cpp.llama_get_embeddings_seq(self._handle, 0)
        if not pooled:
            raise EngineError("libllama gave no embedding")
        vector = np.ctypeslib.as_array(pooled, (self.n_embd,)).astype(np.float32)
        norm = float(np.linalg.norm(vector))
        return vector / np.float32(norm) if norm > 0 else vector


def _create(model: Model, params: EmbedderParams) -> int:
    architecture = model.meta.get("general.architecture", "")
    pooling = int(model.meta.get(f"{architecture}.pooling_type", _NONE))
    if pooling == llama_cpp.LLAMA_POOLING_TYPE_RANK:
        raise ModelError("the model is a reranker and has no embeddings; load an embedding model")
    native = llama_cpp.llama_context_default_params()
    native.n_ctx = native.n_batch = native.n_ubatch = params.n_tokens
    native.n_seq_max = 1
    native.n_threads = native.n_threads_batch = params.n_threads or native.n_threads
    native.flash_attn_type = FLASH_ATTENTION[params.flash_attention]
    native.embeddings = True
    params.rope.apply(native)
    if pooling not in _POOLINGS:
        native.pooling_type = llama_cpp.LLAMA_POOLING_TYPE_MEAN
    return create(model, native)
