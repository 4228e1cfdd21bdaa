"""A thin hold on libllama, so that the kit's models are proven without the engine."""

import ctypes
from pathlib import Path
from types import TracebackType
from typing import Self

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from segue.engine import libllama

Tokens = NDArray[np.integer]
Logits = NDArray[np.float32]
Blob = ctypes.Array[ctypes.c_uint8]
PARTIAL_ONLY = 1


class Reader:
    """One model and one unified context; sequences 0 and 1 read tokens, and their states can be taken and put back."""

    def __init__(self, path: Path, n_ctx: int = 4608, n_batch: int = 512) -> None:
        # There is one log for the whole process, and the engine needs it.
        libllama.start()
        self.model = llama_cpp.llama_model_load_from_file(bytes(path), llama_cpp.llama_model_default_params())
        assert self.model, f"libllama refuses {path}"
        self.vocab = llama_cpp.llama_model_get_vocab(self.model)
        self.n_vocab: int = llama_cpp.llama_vocab_n_tokens(self.vocab)
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_seq_max, params.kv_unified = n_ctx, 2, True
        params.n_batch = params.n_ubatch = n_batch
        params.n_threads = params.n_threads_batch = 1
        params.swa_full = False
        self._n_batch = n_batch
        self._context = llama_cpp.llama_init_from_model(self.model, params)
        assert self._context, f"libllama makes no context for {path}"
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._batch = llama_cpp.llama_batch_init(n_batch, 0, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self.model)

    def read(self, tokens: Tokens, seq: int = 0) -> Logits:
        """The logits after the last of `tokens`, which follow what `seq` has read."""
        at = llama_cpp.llama_memory_seq_pos_max(self._memory, seq) + 1
        batch = self._batch
        for start in range(0, len(tokens), self._n_batch):
            chunk = tokens[start : start + self._n_batch]
            batch.n_tokens = len(chunk)
            for i, token in enumerate(chunk):
                batch.token[i], batch.pos[i] = int(token), at + start + i
                batch.n_seq_id[i], batch.seq_id[i][0] = 1, seq
                batch.logits[i] = i == len(chunk) - 1
            assert llama_cpp.llama_decode(self._context, batch) == 0
        row = llama_cpp.llama_get_logits_ith(self._context, -1)
        return np.ctypeslib.as_array(row, (self.n_vocab,)).copy()

    def reply(self, logits: Logits, n_tokens: int) -> list[int]:
        """What sequence 0 says greedily when it stands where `logits` were read."""
        said: list[int] = []
        while len(said) < n_tokens:
            said.append(int(logits.argmax()))
            logits = self.read(np.array(said[-1:]))
        return said

    def save(self, seq: int = 0, flags: int = 0) -> Blob:
        """The state of `seq`, or with `PARTIAL_ONLY` its recurrent or window part."""
        n_bytes = llama_cpp.llama_state_seq_get_size_ext(self._context, seq, flags)
        blob: Blob = (ctypes.c_uint8 * n_bytes)()
        assert llama_cpp.llama_state_seq_get_data_ext(self._context, blob, n_bytes, seq, flags) == n_bytes
        return blob

    def load(self, blob: Blob, seq: int = 0, flags: int = 0) -> None:
        """Put a saved state in the place of what `seq` holds."""
        assert llama_cpp.llama_state_seq_set_data_ext(self._context, blob, len(blob), seq, flags)

    def clear(self) -> None:
        """Forget every sequence."""
        llama_cpp.llama_memory_clear(self._memory, True)
