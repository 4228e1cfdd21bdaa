"""The native batch that one decode call reads."""

import ctypes

import llama_cpp
import numpy as np

from segue.engine.base import LAST_ROW, Chunk
from segue.engine.positions import Track


class Batch:
    """Arrays for up to `n_max` inputs, allocated once and refilled for every call.

    An embedding has `n_embd` floats, and its position `n_sections` numbers, as M-RoPE requires.
    """

    def __init__(self, n_max: int, n_rows_max: int, n_embd: int, n_sections: int) -> None:
        self._n_embd, self._n_sections = n_embd, n_sections
        self._token = np.zeros(n_max, np.int32)
        self._embeddings = np.zeros((0, n_embd), np.float32)
        self._pos = np.zeros(n_max, np.int32)
        self._section_pos = np.zeros(0, np.int32)
        self._seq = np.zeros(n_max, np.int32)
        self._wants_logits = np.zeros(n_max, np.int8)
        self._n_seq = np.ones(n_max, np.int32)
        self._seq_pointers = (self._seq.ctypes.data + 4 * np.arange(n_max)).astype(np.uint64)
        self._positions = np.arange(n_max, dtype=np.int32)
        self.n_max = n_max
        self.n_rows_max = n_rows_max
        self.of_tokens = self._native(token=_pointer(self._token, llama_cpp.llama_token))
        self.of_embeddings: llama_cpp.llama_batch | None = None
        self.native = self.of_tokens

    def fill(self, chunks: list[Chunk], tracks: list[Track]) -> list[tuple[int, ...]]:
        """Write the chunks one after another into `native`; returns the rows of the logits of each chunk."""
        if not chunks:
            raise ValueError("a batch must have inputs")
        rows: list[tuple[int, ...]] = []
        end = n_rows = 0
        is_embeddings = chunks[0].inputs.ndim == 2
        for chunk in chunks:
            start, n = end, len(chunk.inputs)
            end += n
            if n == 0 or end > self.n_max:
                raise ValueError(f"a batch holds 1 to {self.n_max} inputs")
            pos = tracks[chunk.seq].pos
            if n == 1 and chunk.positions is None and not is_embeddings:
                # A reply's next token: numpy's slices would take several times as long.
                self._token[start] = chunk.inputs[0]
                self._pos[start] = pos
                self._seq[start] = chunk.seq
            else:
                self._lay(chunk, start, pos, is_embeddings=is_embeddings)
            wanted = chunk.logits_for
            if n == 1:
                self._wants_logits[start] = bool(wanted)
            else:
                self._wants_logits[start:end] = 0
            if wanted and (n > 1 or wanted != LAST_ROW):
                wanted = tuple(start + offset for offset in chunk.offsets())
                self._wants_logits[list(wanted)] = 1
                rows.append(wanted)
            else:
                rows.append((start,) if wanted else ())
            n_rows += len(wanted)
        if n_rows > self.n_rows_max:
            raise ValueError(f"a batch has at most {self.n_rows_max} rows of logits, not {n_rows}")
        self.native = self._with_sections(end) if is_embeddings else self.of_tokens
        self.native.n_tokens = end
        return rows

    def _lay(self, chunk: Chunk, start: int, pos: int, *, is_embeddings: bool) -> None:
        n = len(chunk.inputs)
        end = start + n
        if (chunk.inputs.ndim == 2) != is_embeddings:
            raise ValueError("a batch holds tokens or embeddings, not both")
        if is_embeddings:
            if chunk.inputs.shape[1] != self._n_embd:
                raise ValueError(f"a batch of embeddings needs {self._n_embd} floats each")
            if not len(self._embeddings):
                self._embeddings = np.zeros((self.n_max, self._n_embd), np.float32)
            self._embeddings[start:end] = chunk.inputs
        else:
            self._token[start:end] = chunk.inputs
        if chunk.positions is not None:
            chunk.positions.require(n)
        offsets = self._positions[:n] if chunk.positions is None else chunk.positions.offsets
        np.add(offsets, pos, out=self._pos[start:end])
        self._seq[start:end] = chunk.seq

    def _with_sections(self, n: int) -> llama_cpp.llama_batch:
        """The native batch of embeddings, with positions laid out section by section: time, height, width and none."""
        if self.of_embeddings is None:
            self._section_pos = np.zeros(self.n_max * self._n_sections, np.int32)
            self.of_embeddings = self._native(
                embd=_pointer(self._embeddings, ctypes.c_float), pos=_pointer(self._section_pos, llama_cpp.llama_pos)
            )
        for i in range(self._n_sections):
            self._section_pos[i * n : (i + 1) * n] = self._pos[:n] if i < 3 else 0
        return self.of_embeddings

    def _native(self, **arrays: object) -> llama_cpp.llama_batch:
        usual = {
            "pos": _pointer(self._pos, llama_cpp.llama_pos),
            "n_seq_id": _pointer(self._n_seq, ctypes.c_int32),
            "seq_id": _pointer(self._seq_pointers, ctypes.POINTER(llama_cpp.llama_seq_id)),
            "logits": _pointer(self._wants_logits, ctypes.c_int8),
        }
        return llama_cpp.llama_batch(**(usual | arrays))


def _pointer(array: np.ndarray, kind: type) -> object:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))
