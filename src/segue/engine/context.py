"""A model's context: sequences, their memory and their states."""

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass

import llama_cpp
import numpy as np
from numpy.typing import NDArray

from segue.engine import libllama, marks
from segue.engine.base import Blob, Chunk, Logits, Mark, Mask, Tokens
from segue.engine.batch import Batch
from segue.engine.cells import N_BLOB_HEADER, Bytes, Cells, cut, is_transposed, joined
from segue.engine.chain import Chain
from segue.engine.creation import FLASH_ATTENTION, KV_TYPES, create, is_causal
from segue.engine.errors import EngineError, ModelError, NoRoomError, StateError
from segue.engine.model import Model
from segue.engine.sampling import SamplingParams
from segue.memory import MemoryShape

_PARTIAL = 1
_NO_ROOM = 1
# libllama says only in its log why it does not take a state.
_FULL = re.compile(r"failed to find .*available cells in kv cache|not enough cells in kv cache")
_N_CELLS_STEP = 256
_INT32_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ContextParams:
    """Sizes of a context. `n_cells`: attention cells in all if unified, else of each sequence.

    A call of `decode` reads up to `n_batch` tokens, of which up to `n_ubatch` are computed at once. Either may be
    smaller than `n_seq_max`; what is larger than the context counts as that.
    """

    n_cells: int
    n_seq_max: int
    n_batch: int = 2048
    n_ubatch: int = 512
    n_threads: int = 0
    n_threads_batch: int = 0
    is_unified: bool = True
    flash_attention: str = "auto"
    type_k: str = "f16"
    type_v: str = "f16"


class Context:
    """The Engine over libllama. One thread at a time; its promises are those of `base.Engine`.

    The traps of libllama's memory are closed here: a sequence is always read from where it stands, no recurrent tail
    is ever cut, and a partial state is only put where the attention cells below it are.
    """

    def __init__(self, model: Model, params: ContextParams, shape: MemoryShape) -> None:
        self.model = model
        self.shape = shape
        self._handle = _create(model, params)
        self._memory = llama_cpp.llama_get_memory(self._handle)
        self.n_seq_max = params.n_seq_max
        self.is_unified = params.is_unified
        self.n_cells = int(llama_cpp.llama_n_ctx(self._handle))
        self.n_ctx_seq = int(llama_cpp.llama_n_ctx_seq(self._handle))
        self.n_batch = int(llama_cpp.llama_n_batch(self._handle))
        self.n_ubatch = int(llama_cpp.llama_n_ubatch(self._handle))
        self.n_vocab = model.vocabulary.n_tokens
        self._lengths = [0] * params.n_seq_max
        self._batch = Batch(self.n_batch)
        self._scratch = np.empty(0, np.uint8)

    def close(self) -> None:
        """Free the context."""
        llama_cpp.llama_free(self._handle)

    @property
    def can_generate(self) -> bool:
        """Whether replies can be generated; an encoder remembers nothing, has no logits, and must not be read."""
        return self._memory is not None

    def has_flash_attention(self) -> bool | None:
        """Whether libllama took flash attention, which decides how values lie in states; None where these do not tell.

        Reads a token, so that no sequence may hold anything yet.
        """
        self._require_empty(0)
        if not (self.shape.kind.shares_cells and self.can_generate):
            return None
        self.decode([Chunk(0, np.zeros(1, np.int32), wants_logits=False)])
        try:
            return not is_transposed(self._get_cells(0))
        except StateError:
            return None
        finally:
            self.drop(0)

    def length(self, seq: int) -> int:  # noqa: D102
        return self._lengths[seq]

    def span(self, seq: int) -> tuple[int, int]:  # noqa: D102
        self._require(seq)
        return (
            int(llama_cpp.llama_memory_seq_pos_min(self._memory, seq)),
            int(llama_cpp.llama_memory_seq_pos_max(self._memory, seq)),
        )

    def decode(self, chunks: list[Chunk]) -> list[int]:  # noqa: D102
        if not self.can_generate:
            raise EngineError("the model is an encoder: it embeds texts, and cannot generate any")
        for chunk in chunks:
            self._require(chunk.seq)
        if len(chunks) > 1 and len({chunk.seq for chunk in chunks}) < len(chunks):
            raise ValueError("a batch reads each sequence once")
        rows = self._batch.fill(chunks, self._lengths)
        status = llama_cpp.llama_decode(self._handle, self._batch.native)
        if status == _NO_ROOM:
            raise NoRoomError("the attention cells are full")
        if status != 0:
            for chunk in chunks:
                self.drop(chunk.seq)
            raise EngineError(f"libllama could not decode (status {status}): {'; '.join(libllama.take_errors())}")
        for chunk in chunks:
            self._lengths[chunk.seq] += len(chunk.tokens)
        return rows

    def logits(self, row: int) -> Logits:  # noqa: D102
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._handle, row), (self.n_vocab,))

    def copy(self, src: int, dst: int, *, own_window: bool = False) -> None:  # noqa: D102
        self._require_empty(dst)
        self._require(src)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        llama_cpp.llama_memory_seq_cp(self._memory, src, dst, -1, -1)
        self._lengths[dst] = self._lengths[src]
        if own_window and self.shape.kind.has_window and self._lengths[src]:
            self._set(dst, self._get(src, _PARTIAL), _PARTIAL)

    def borrow(self, src: int, dst: int, n_tokens: int, part: Blob | None) -> None:  # noqa: D102
        self._require(src)
        self._require_empty(dst)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        if not 0 < n_tokens <= self._lengths[src]:
            raise ValueError(f"sequence {src} holds {self._lengths[src]} tokens, not {n_tokens}")
        if part is None:
            if self.shape.kind.has_state_part:
                raise ValueError("only plain attention stands anywhere without a state of its own")
        elif not part.is_partial or part.n_tokens != n_tokens:
            raise ValueError("the state does not belong to this many tokens")
        llama_cpp.llama_memory_seq_cp(self._memory, src, dst, 0, n_tokens)
        self._lengths[dst] = n_tokens
        if part is not None:
            self._set(dst, part.data, _PARTIAL)

    def rewind(self, seq: int, n_tokens: int) -> None:  # noqa: D102
        self._require(seq)
        if not 0 < n_tokens <= self._lengths[seq]:
            raise ValueError(f"sequence {seq} holds {self._lengths[seq]} tokens, not {n_tokens}")
        kind = self.shape.kind
        if kind.has_recurrent:
            raise ValueError("recurrent state has no tail to drop")
        if kind.has_window and self.span(seq)[0] > max(0, n_tokens - self.shape.n_swa):
            raise ValueError("the window before that position is gone")
        if not llama_cpp.llama_memory_seq_rm(self._memory, seq, n_tokens, -1):
            raise EngineError("libllama refused to drop the tail of a sequence")
        self._lengths[seq] = n_tokens

    def mark(self, seq: int, shadow: int) -> Mark:  # noqa: D102
        return marks.mark(self, seq, shadow)

    def roll_back(self, seq: int, mark: Mark) -> None:  # noqa: D102
        marks.roll_back(self, seq, mark)

    def release(self, mark: Mark) -> None:  # noqa: D102
        marks.release(self, mark)

    def drop(self, seq: int) -> None:  # noqa: D102
        self._require(seq)
        if not llama_cpp.llama_memory_seq_rm(self._memory, seq, -1, -1):
            raise EngineError("libllama refused to drop a sequence")
        self._lengths[seq] = 0

    def state_bytes(self, seq: int, *, partial: bool) -> int:  # noqa: D102
        self._require(seq)
        return int(llama_cpp.llama_state_seq_get_size_ext(self._handle, seq, _PARTIAL if partial else 0))

    def save(self, seq: int, *, partial: bool) -> Blob:  # noqa: D102
        self._require(seq)
        if partial and not self.shape.kind.has_state_part:
            raise ValueError("plain attention has no partial state")
        pos_min, pos_max = self.span(seq)
        data = self._get(seq, _PARTIAL if partial else 0)
        return Blob(data, self._lengths[seq], partial, pos_min, pos_max)

    def load(self, blob: Blob, seq: int) -> None:  # noqa: D102
        self._require_empty(seq)
        if blob.is_partial and self.shape.kind.shares_cells:
            raise ValueError("a partial state needs the attention cells below it: borrow them")
        self._set(seq, blob.data, _PARTIAL if blob.is_partial else 0)
        self._lengths[seq] = blob.n_tokens

    def save_cells(self, seq: int, start: int, end: int, via: int) -> Cells:  # noqa: D102
        self._require(seq)
        self._require_empty(via)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        if not 0 <= start < end <= self._lengths[seq]:
            raise ValueError(f"sequence {seq} holds {self._lengths[seq]} tokens, not those from {start} to {end}")
        llama_cpp.llama_memory_seq_cp(self._memory, seq, via, start, end)
        try:
            return Cells(self._get_cells(via), start, end)
        finally:
            self.drop(via)

    def put_cells(self, seq: int, parts: Sequence[Cells], end: int, part: Blob | None, via: int) -> None:  # noqa: D102
        self._require(seq)
        self._require_empty(via)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        if not parts[0].start <= self._lengths[seq] < end <= parts[-1].end:
            raise ValueError(f"cells from {parts[0].start} to {end} do not follow the {self._lengths[seq]} of {seq}")
        if (part is None) == self.shape.kind.has_state_part:
            raise ValueError("only plain attention stands anywhere without a state of its own")
        pieces = joined(parts)
        if part is not None:
            pieces.append(part.data[N_BLOB_HEADER:])
        length = self._lengths[seq]
        if length or parts[-1].end != end:
            self._set(via, self._in_one(pieces), 0)
            llama_cpp.llama_memory_seq_cp(self._memory, via, seq, length, end)
            self.drop(via)
        else:
            self._set(seq, self._in_one(pieces), 0)
        self._lengths[seq] = end

    def cut(self, cells: Cells, end: int, start: int | None = None) -> Cells:  # noqa: D102
        return cut(cells, end, start)

    def put_part(self, seq: int, part: Blob) -> None:  # noqa: D102
        self._require(seq)
        if not part.is_partial or part.n_tokens != self._lengths[seq]:
            raise ValueError("the state does not belong to this many tokens")
        self._set(seq, part.data, _PARTIAL)

    def sampler(self, params: SamplingParams, prompt: Tokens, mask: Mask | None = None) -> Chain:  # noqa: D102
        chain = Chain(self._handle, self.model.vocabulary, params, n_ctx=self.n_cells, mask=mask)
        chain.remember(prompt)
        return chain

    def is_eog(self, token: int) -> bool:  # noqa: D102
        return self.model.vocabulary.is_eog(token)

    def _require(self, seq: int) -> None:
        """Raise ValueError for an id that libllama would abort at, or take for all sequences."""
        if not 0 <= seq < self.n_seq_max:
            raise ValueError(f"sequences are numbered from 0 to {self.n_seq_max - 1}, and {seq} is none of them")

    def _require_empty(self, seq: int) -> None:
        self._require(seq)
        if self._lengths[seq]:
            raise ValueError(f"sequence {seq} is in use")

    def _in_one(self, pieces: list[Bytes]) -> Bytes:
        """The pieces one after the other, valid until the next call: memory that was used before is faster by far."""
        if len(pieces) == 1:
            return pieces[0]
        n_bytes = sum(len(piece) for piece in pieces)
        if n_bytes > len(self._scratch):
            self._scratch = np.empty(n_bytes, np.uint8)
        return np.concatenate(pieces, out=self._scratch[:n_bytes])

    def _get(self, seq: int, flags: int) -> NDArray[np.uint8]:
        size = llama_cpp.llama_state_seq_get_size_ext(self._handle, seq, flags)
        data = np.empty(size, np.uint8)
        if llama_cpp.llama_state_seq_get_data_ext(self._handle, _bytes(data), size, seq, flags) != size:
            raise EngineError("libllama could not copy a state out")
        return data

    def _get_cells(self, seq: int) -> Bytes:
        data = self._get(seq, 0)
        has_part = self.shape.kind.has_state_part
        n_bytes_part = self.state_bytes(seq, partial=True) - N_BLOB_HEADER if has_part else 0
        data.resize(len(data) - n_bytes_part, refcheck=False)
        return data

    def _set(self, seq: int, data: NDArray[np.uint8], flags: int) -> None:
        libllama.take_errors()
        if not llama_cpp.llama_state_seq_set_data_ext(self._handle, _bytes(data), data.nbytes, seq, flags):
            self.drop(seq)  # where there is a window, the cells before it were put already
            reason = "; ".join(libllama.take_errors())
            if _FULL.search(reason):
                raise NoRoomError(f"no room for a saved state: {reason}")
            raise StateError(f"libllama refused a saved state: {reason}")


def measure(model: Model, params: ContextParams) -> MemoryShape:
    """What a token and a checkpoint of this model weigh, measured in a small context; also warms the weights up.

    An encoder has neither.
    """
    small = ContextParams(
        n_cells=256,
        n_seq_max=1,
        n_batch=64,
        n_ubatch=64,
        n_threads=params.n_threads,
        n_threads_batch=params.n_threads_batch,
        flash_attention=params.flash_attention,
        type_k=params.type_k,
        type_v=params.type_v,
    )
    n_bytes_logits = 4 * model.vocabulary.n_tokens
    context = Context(model, small, MemoryShape(model.kind, model.n_swa, 0, 0, n_bytes_logits))
    try:
        if not context.can_generate:
            return context.shape
        sizes = []
        for n in (2, 32):
            context.decode([Chunk(0, np.zeros(n, np.int32), wants_logits=False)])
            partial = context._get(0, _PARTIAL).nbytes if model.kind.has_state_part else 0
            sizes.append((context._get(0, 0).nbytes - max(0, partial - N_BLOB_HEADER), partial))
    finally:
        context.close()
    (cells_2, part_2), (cells_34, part_34) = sizes
    n_bytes_window = (part_34 - part_2) // 32 * max(0, model.n_swa - 2)
    n_bytes_cell = (cells_34 - cells_2) // 32
    n_bytes_segment = cells_2 - 2 * n_bytes_cell
    return MemoryShape(model.kind, model.n_swa, n_bytes_cell, part_2 + n_bytes_window, n_bytes_logits, n_bytes_segment)


def _create(model: Model, params: ContextParams) -> int:
    n_cells = -(-params.n_cells // _N_CELLS_STEP) * _N_CELLS_STEP
    n_ctx = n_cells if params.is_unified else n_cells * params.n_seq_max
    if min(params.n_cells, params.n_seq_max, params.n_batch, params.n_ubatch) < 1:
        raise ValueError("all sizes of a context are at least 1")
    if n_ctx > _INT32_MAX:
        raise ModelError(f"a context of {n_ctx} cells is more than libllama can count; pass a smaller --ctx-size")
    native = llama_cpp.llama_context_default_params()
    native.n_ctx = n_ctx
    native.n_seq_max = params.n_seq_max
    native.n_ubatch = min(params.n_ubatch, params.n_batch, n_ctx)
    native.n_batch = min(params.n_batch, n_ctx) if _splits(model, params) else native.n_ubatch
    # libllama aborts if it reserves fewer than a row of logits a sequence; by default it reserves n_batch of them.
    native.n_outputs_max = params.n_seq_max
    native.n_threads = params.n_threads or native.n_threads
    native.n_threads_batch = params.n_threads_batch or params.n_threads or native.n_threads_batch
    native.kv_unified = params.is_unified
    native.swa_full = False
    native.flash_attn_type = FLASH_ATTENTION[params.flash_attention]
    native.type_k, native.type_v = KV_TYPES[params.type_k], KV_TYPES[params.type_v]
    return create(model, native)


def _splits(model: Model, params: ContextParams) -> bool:
    """Whether a call may be computed in several physical batches.

    A model that is not causal must see all tokens at once. Where there is a window, libllama finds cells for a second
    physical batch by forgetting those that the first one still needs.
    """
    return params.n_batch > params.n_ubatch and not model.kind.has_window and is_causal(model)


def _bytes(data: NDArray[np.uint8]) -> object:
    return ctypes.cast(data.ctypes.data, ctypes.POINTER(ctypes.c_uint8))
