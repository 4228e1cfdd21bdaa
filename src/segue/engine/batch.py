"""The native batch that one decode call reads."""

import ctypes

import llama_cpp
import numpy as np

from segue.engine.base import Chunk


class Batch:
    """Arrays for up to `n_max` tokens, allocated once and filled again for every call."""

    def __init__(self, n_max: int) -> None:
        self._token = np.zeros(n_max, np.int32)
        self._pos = np.zeros(n_max, np.int32)
        self._seq = np.zeros(n_max, np.int32)
        self._wants_logits = np.zeros(n_max, np.int8)
        self._n_seq = np.ones(n_max, np.int32)
        self._seq_pointers = (self._seq.ctypes.data + 4 * np.arange(n_max)).astype(np.uint64)
        self._positions = np.arange(n_max, dtype=np.int32)
        self.n_max = n_max
        self.native = llama_cpp.llama_batch(
            token=_pointer(self._token, llama_cpp.llama_token),
            pos=_pointer(self._pos, llama_cpp.llama_pos),
            n_seq_id=_pointer(self._n_seq, ctypes.c_int32),
            seq_id=_pointer(self._seq_pointers, ctypes.POINTER(llama_cpp.llama_seq_id)),
            logits=_pointer(self._wants_logits, ctypes.c_int8),
        )

    def fill(self, chunks: list[Chunk], lengths: list[int]) -> list[int]:
        """Lay the chunks out one after the other; the row of each one's logits, -1 where none is wanted."""
        rows = []
        end = 0
        for chunk in chunks:
            start, n = end, len(chunk.tokens)
            end += n
            if n == 0 or end > self.n_max:
                raise ValueError(f"a batch holds 1 to {self.n_max} tokens")
            position = lengths[chunk.seq]
            if n == 1:  # a reply's next token: numpy's slices would take several times as long
                self._token[start] = chunk.tokens[0]
                self._pos[start] = position
                self._seq[start] = chunk.seq
                self._wants_logits[start] = chunk.wants_logits
            else:
                self._token[start:end] = chunk.tokens
                np.add(self._positions[:n], position, out=self._pos[start:end])
                self._seq[start:end] = chunk.seq
                self._wants_logits[start:end] = 0
                self._wants_logits[end - 1] = chunk.wants_logits
            rows.append(end - 1 if chunk.wants_logits else -1)
        if end == 0:
            raise ValueError("a batch without tokens cannot be read")
        self.native.n_tokens = end
        return rows


def _pointer(array: np.ndarray, kind: type) -> object:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))
