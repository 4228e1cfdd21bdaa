"""The context that computes a model's layers for multi-token prediction."""

import ctypes
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import llama_cpp
import numpy as np

from segue.engine import libllama
from segue.engine.base import Tokens
from segue.engine.context_params import ContextParams, create_context
from segue.engine.errors import EngineError
from segue.engine.hidden_tail import Rows
from segue.engine.model import Model
from segue.engine.nextn import NextN
from segue.engine.state import Bytes

log = logging.getLogger(__name__)

_NO_ROOM = 1


@dataclass(frozen=True, slots=True)
class Piece:
    """Tokens that sequence `seq` reads from position `pos` on, each with the hidden row of the token before it."""

    seq: int
    pos: int
    tokens: Tokens = field(repr=False)
    rows: Rows = field(repr=False)
    wants_logits: bool = False


class MtpContext:
    """The sequences of the draft context. It guesses, so cells may be missing. One thread at a time."""

    def __init__(self, model: Model, params: ContextParams, target: int, nextn: NextN) -> None:
        handle = create_context(model, replace(params, n_rows=0), drafts_for=target)
        self._handle: int | None = handle
        self._nextn = nextn
        nextn.keep_rows(handle)
        self._memory = llama_cpp.llama_get_memory(self._handle)
        self._may_jump = model.has_sections
        self._n_vocab = model.vocabulary.n_tokens
        self.n_embd = int(llama_cpp.llama_model_n_embd_out(model.handle))
        self.n_batch = int(llama_cpp.llama_n_batch(self._handle))
        n = self.n_batch
        self._token, self._pos, self._seq = (np.zeros(n, np.int32) for _ in range(3))
        self._rows = np.zeros((n, self.n_embd), np.float32)
        self._wants_logits, self._n_seq = np.zeros(n, np.int8), np.ones(n, np.int32)
        self._seq_pointers = (self._seq.ctypes.data + 4 * np.arange(n)).astype(np.uint64)
        self._batch = llama_cpp.llama_batch(
            token=_pointer(self._token, llama_cpp.llama_token),
            embd=_pointer(self._rows, ctypes.c_float),
            pos=_pointer(self._pos, llama_cpp.llama_pos),
            n_seq_id=_pointer(self._n_seq, ctypes.c_int32),
            seq_id=_pointer(self._seq_pointers, ctypes.POINTER(llama_cpp.llama_seq_id)),
            logits=_pointer(self._wants_logits, ctypes.c_int8),
        )

    def close(self) -> None:
        """Free the context, if that was not done before; the one that it drafts for must still exist."""
        if self._handle is not None:
            llama_cpp.llama_free(self._handle)
        self._handle = None

    def read(self, pieces: Sequence[Piece]) -> bool:
        """Read pieces of unlike sequences, up to `n_batch` tokens in all; False if there is no room for them.

        A sequence forgets what it holds from the piece's position on. Where positions must be consecutive, it forgets
        all if some are missing. Raises EngineError, with these sequences empty.
        """
        end = 0
        for piece in pieces:
            self._make_way(piece)
            start, end = end, end + len(piece.tokens)
            self._token[start:end], self._rows[start:end] = piece.tokens, piece.rows
            self._pos[start:end] = np.arange(piece.pos, piece.pos + end - start)
            self._seq[start:end] = piece.seq
            self._wants_logits[start:end] = 0
            self._wants_logits[end - 1] = piece.wants_logits
        self._batch.n_tokens = end
        status = llama_cpp.llama_decode(self._handle, self._batch)
        if status not in (0, _NO_ROOM):
            for piece in pieces:
                self.drop(piece.seq)
            raise EngineError(f"libllama could not draft (status {status}): {'; '.join(libllama.pop_errors())}")
        return bool(status == 0)

    def best(self, i: int) -> tuple[int, float, Rows]:
        """The likeliest token after token `i` of the last call, its probability, and a copy of the hidden row there."""
        assert self._handle is not None, "the context is unloaded"
        logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._handle, i), (self._n_vocab,))
        token = int(logits.argmax())
        probability = 1 / float(np.exp(logits - logits[token]).sum())
        return token, probability, self._nextn.rows(self._handle, i + 1, self.n_embd)[i].copy()

    def copy(self, src: int, dst: int, pos_end: int = -1) -> None:
        """Share the cells of `src`, or those before a position, with the empty `dst`."""
        llama_cpp.llama_memory_seq_cp(self._memory, src, dst, 0, pos_end)

    def drop(self, seq: int) -> None:
        """Empty a sequence."""
        llama_cpp.llama_memory_seq_rm(self._memory, seq, -1, -1)

    def cells(self, seq: int) -> Bytes:
        """Copy the cells of a sequence to host memory; nothing if it has none."""
        size = self.n_bytes(seq)
        data = np.empty(size, np.uint8)
        if size:
            llama_cpp.llama_state_seq_get_data_ext(self._handle, _pointer(data, ctypes.c_uint8), size, seq, 0)
        return data

    def n_bytes(self, seq: int) -> int:
        """The size of the cells of a sequence in host memory."""
        return int(llama_cpp.llama_state_seq_get_size_ext(self._handle, seq, 0)) if self._pos_end(seq) else 0

    def saved_cells(self, seq: int, pos: int, pos_end: int, via: int) -> Bytes:
        """Copy the cells of `seq` at these positions to host memory, using the empty `via`; nothing if it has none."""
        llama_cpp.llama_memory_seq_cp(self._memory, seq, via, pos, pos_end)
        data = self.cells(via)
        self.drop(via)
        return data

    def put_cells(self, seq: int, data: Bytes, pos: int, pos_end: int, via: int) -> bool:
        """Add saved cells at these positions to `seq`, using the empty `via`; False, with nothing added, on failure."""
        self.cut(seq, pos)
        is_set = self.set_cells(via, data)
        if is_set:
            llama_cpp.llama_memory_seq_cp(self._memory, via, seq, pos, pos_end)
        self.drop(via)
        return is_set

    def set_cells(self, seq: int, data: Bytes) -> bool:
        """Let a sequence have saved cells, and no others; False, with the sequence empty, on failure."""
        size = data.nbytes
        if llama_cpp.llama_state_seq_set_data_ext(self._handle, _pointer(data, ctypes.c_uint8), size, seq, 0):
            return True
        log.info("drafts begin anew: %s", "; ".join(libllama.pop_errors()))
        self.drop(seq)
        return False

    def _pos_end(self, seq: int) -> int:
        return int(llama_cpp.llama_memory_seq_pos_max(self._memory, seq)) + 1

    def cut(self, seq: int, pos: int) -> None:
        """Drop the tail of a sequence from a position on."""
        if self._pos_end(seq) > pos:
            llama_cpp.llama_memory_seq_rm(self._memory, seq, pos, -1)

    def _make_way(self, piece: Piece) -> None:
        self.cut(piece.seq, piece.pos)
        if not self._may_jump and 0 < self._pos_end(piece.seq) < piece.pos:
            self.drop(piece.seq)


def _pointer(array: np.ndarray, kind: type) -> object:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))
