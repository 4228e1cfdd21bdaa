"""A bare loop over libllama, with none of Segue's code: the least that reading and decoding can cost."""

import ctypes
import time
from pathlib import Path
from typing import Any

import llama_cpp
import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int32]
_N_BEFORE = 16
_TOKEN = 65


class Bare:
    """A model with a context and a greedy sampler, driven through llama_cpp's low-level functions alone."""

    def __init__(
        self, model: Path, *, n_cells: int, n_seq_max: int, n_threads: int, n_batch: int, n_ubatch: int
    ) -> None:
        self._model = llama_cpp.llama_model_load_from_file(str(model).encode(), llama_cpp.llama_model_default_params())
        params = llama_cpp.llama_context_default_params()
        params.n_ctx, params.n_seq_max = n_cells, n_seq_max
        params.n_batch, params.n_ubatch = n_batch, n_ubatch
        params.n_threads = params.n_threads_batch = n_threads
        params.kv_unified = True
        params.swa_full = False
        self._context = llama_cpp.llama_init_from_model(self._model, params)
        self._memory = llama_cpp.llama_get_memory(self._context)
        self._sampler = llama_cpp.llama_sampler_init_greedy()
        self._n_batch = n_batch
        self._batch = llama_cpp.llama_batch_init(n_batch, 0, 1)
        for i in range(n_batch):
            self._batch.n_seq_id[i] = 1

    def close(self) -> None:
        """Free all."""
        llama_cpp.llama_batch_free(self._batch)
        llama_cpp.llama_sampler_free(self._sampler)
        llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._model)

    def read(self, prompts: list[Tokens]) -> float:
        """Seconds to read prompts one after the other, in full batches, and to draw a token after each."""
        started = time.perf_counter()
        for seq, prompt in enumerate(prompts):
            for start in range(0, len(prompt), self._n_batch):
                part = prompt[start : start + self._n_batch]
                self._fill(part, start, seq)
                self._batch.logits[len(part) - 1] = start + len(part) == len(prompt)
                self._decode(len(part))
            llama_cpp.llama_sampler_sample(self._sampler, self._context, -1)
        seconds = time.perf_counter() - started
        llama_cpp.llama_memory_clear(self._memory, False)
        return seconds

    def generate(self, prompts: list[Tokens], n_tokens: int) -> float:
        """Tokens per second of replies of `n_tokens` to short prompts, in one batch, but for their first tokens."""
        n_seqs, n_prompt = len(prompts), len(prompts[0])
        batch, context, sampler = self._batch, self._context, self._sampler
        for seq, prompt in enumerate(prompts):
            self._fill(prompt, 0, seq, at=seq * n_prompt)
            batch.logits[(seq + 1) * n_prompt - 1] = 1
        self._decode(n_seqs * n_prompt)
        rows = [(seq + 1) * n_prompt - 1 for seq in range(n_seqs)]
        started = time.perf_counter()
        for position in range(n_prompt, n_prompt + n_tokens - 1):
            for seq, row in enumerate(rows):
                batch.token[seq] = llama_cpp.llama_sampler_sample(sampler, context, row)
            for seq in range(n_seqs):
                batch.pos[seq] = position
                batch.seq_id[seq][0] = seq
                batch.logits[seq] = 1
            self._decode(n_seqs)
            rows = list(range(n_seqs))
        for row in rows:
            llama_cpp.llama_sampler_sample(sampler, context, row)
        seconds = time.perf_counter() - started
        llama_cpp.llama_memory_clear(self._memory, False)
        return n_seqs * (n_tokens - 1) / seconds

    def rows(self, n_seqs: int, n_each: int) -> float:
        """Seconds of one call that reads the next `n_each` tokens of each sequence, with logits for all of them."""
        n = n_seqs * n_each
        for seq in range(n_seqs):
            self._fill(np.full(_N_BEFORE, _TOKEN, np.int32), 0, seq, at=seq * _N_BEFORE)
        self._decode(n_seqs * _N_BEFORE)
        for seq in range(n_seqs):
            self._fill(np.full(n_each, _TOKEN, np.int32), _N_BEFORE, seq, at=seq * n_each)
        for i in range(n):
            self._batch.logits[i] = 1
        started = time.perf_counter()
        self._decode(n)
        seconds = time.perf_counter() - started
        llama_cpp.llama_memory_clear(self._memory, False)
        return seconds

    def _fill(self, tokens: Tokens, position: int, seq: int, at: int = 0) -> None:
        batch: Any = self._batch
        n = len(tokens)
        ctypes.memmove(ctypes.addressof(batch.token.contents) + 4 * at, tokens.ctypes.data, 4 * n)
        for i in range(n):
            batch.pos[at + i] = position + i
            batch.seq_id[at + i][0] = seq
            batch.logits[at + i] = 0

    def _decode(self, n_tokens: int) -> None:
        self._batch.n_tokens = n_tokens
        if llama_cpp.llama_decode(self._context, self._batch) != 0:
            raise RuntimeError("libllama could not decode")
