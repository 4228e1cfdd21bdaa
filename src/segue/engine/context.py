"""A model's context: sequences, their memory and their states."""

import ctypes
import re
from collections.abc import Sequence
from itertools import pairwise

import llama_cpp
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from segue.engine import libllama, marks
from segue.engine.base import Chunk, Engine, Logits, Mark, Mask, Tokens
from segue.engine.batch import Batch
from segue.engine.cells import N_STATE_HEADER, cut, is_transposed, joined
from segue.engine.chain import Chain
from segue.engine.context_params import ContextParams, create_context, n_rows_max
from segue.engine.errors import EngineError, NoRoomError, StateError
from segue.engine.model import Model
from segue.engine.positions import Track, jumps_until, pos_after
from segue.engine.sampling import SamplingParams
from segue.engine.state import MODEL, Bytes, Cells, State, part_of
from segue.memory import MemoryShape

_PARTIAL = 1
_NO_ROOM = 1
# libllama reports only in its log why it refuses a state.
_FULL = re.compile(r"failed to find .*available cells in kv cache|not enough cells in kv cache")


class Context(Engine):
    """The Engine over libllama. One thread at a time; it keeps the promises of `base.Engine`.

    It guards against the pitfalls of libllama's memory: reading always continues at the end of a sequence, a recurrent
    tail is never dropped, and a partial state is only loaded on top of the attention cells of its path.
    """

    def __init__(self, model: Model, params: ContextParams, shape: MemoryShape) -> None:
        self.model = model
        self.shape = shape
        self._params = params
        self.load_context()
        self.n_seq_max = params.n_seq_max
        self.is_unified = params.is_unified
        self.n_cells = int(llama_cpp.llama_n_ctx(self._handle))
        self.n_ctx_seq = int(llama_cpp.llama_n_ctx_seq(self._handle))
        self.n_batch = int(llama_cpp.llama_n_batch(self._handle))
        self.n_ubatch = int(llama_cpp.llama_n_ubatch(self._handle))
        self.n_vocab = model.vocabulary.n_tokens
        self.n_rows_max = n_rows_max(params)
        self.n_embd = int(llama_cpp.llama_model_n_embd_inp(model.handle))
        self.takes_positions = model.has_sections
        self._tracks = [Track() for _ in range(params.n_seq_max)]
        self._has_window_cache: bool | None = None
        self._batch = Batch(self.n_batch, self.n_rows_max, self.n_embd, 4 if model.has_sections else 1)
        self._scratch = np.empty(0, np.uint8)

    def load_context(self) -> None:
        """Create libllama's context, at first or after `unload_context`, of a loaded model. Raises ModelError."""
        self._handle: int | None = create_context(self.model, self._params)
        self._memory = llama_cpp.llama_get_memory(self._handle)
        # An encoder has no memory and no logits, and must not decode.
        self.can_generate = self._memory is not None

    def unload_context(self) -> None:
        """Free libllama's context, if it is loaded. All sequences must be empty, and no chain in use."""
        for seq in range(self.n_seq_max):
            self._require_empty(seq)
        self.close()

    @property
    def handle(self) -> int:
        """The native context, for those that compute along with it."""
        assert self._handle is not None, "the context is unloaded"
        return self._handle

    def close(self) -> None:
        """Free the context."""
        if self._handle is not None:
            llama_cpp.llama_free(self._handle)
        self._handle = self._memory = None

    def has_flash_attention(self) -> bool | None:
        """Whether libllama chose flash attention, which decides how states lay out values; None if states do not tell.

        Reads a token, so all sequences must be empty.
        """
        self._require_empty(0)
        if not (self.shape.kind.shares_cells and self.can_generate):
            return None
        self.decode([Chunk(0, np.zeros(1, np.int32))])
        try:
            return not is_transposed(self._get_cells(0))
        except StateError:
            return None
        finally:
            self.drop(0)

    @override
    def length(self, seq: int) -> int:
        return self._tracks[seq].n_tokens

    @override
    def position(self, seq: int) -> int:
        return self._tracks[seq].pos

    @override
    def span(self, seq: int) -> tuple[int, int]:
        self._require(seq)
        return (
            int(llama_cpp.llama_memory_seq_pos_min(self._memory, seq)),
            int(llama_cpp.llama_memory_seq_pos_max(self._memory, seq)),
        )

    @override
    def decode(self, chunks: list[Chunk]) -> list[tuple[int, ...]]:
        if not self.can_generate:
            raise EngineError("the model is an encoder: it embeds texts, and cannot generate any")
        for chunk in chunks:
            self._require(chunk.seq)
            if chunk.positions is not None and not self.takes_positions:
                raise ValueError("this model takes only consecutive positions")
        if len(chunks) > 1 and len({chunk.seq for chunk in chunks}) < len(chunks):
            raise ValueError("a batch may hold each sequence only once")
        rows = self._batch.fill(chunks, self._tracks)
        status = llama_cpp.llama_decode(self._handle, self._batch.native)
        if status == _NO_ROOM:
            raise NoRoomError("the attention cells are full")
        if status != 0:
            for chunk in chunks:
                self.drop(chunk.seq)
            raise EngineError(f"libllama could not decode (status {status}): {'; '.join(libllama.pop_errors())}")
        # A GPU may still be reading: without this, the next copy would seem to take the time of the batch.
        llama_cpp.llama_synchronize(self._handle)
        for chunk in chunks:
            self._tracks[chunk.seq].read(len(chunk.inputs), chunk.positions)
        return rows

    @override
    def logits(self, row: int) -> Logits:
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._handle, row), (self.n_vocab,))

    @override
    def copy(self, src: int, dst: int, *, trims_window: bool = False) -> None:
        self._require_empty(dst)
        self._require(src)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        track = self._tracks[src]
        first_seen = track.pos_last + 1 - self.shape.n_swa
        if trims_window and self.shape.kind.has_window and first_seen > 0 and self._keeps_windows_apart(src):
            self._share_seen(src, dst, first_seen, track.pos_last)
        else:
            llama_cpp.llama_memory_seq_cp(self._memory, src, dst, -1, -1)
        self._tracks[dst].stand(track.n_tokens, track.jumps)

    @override
    def borrow(self, src: int, dst: int, n_tokens: int, state: State | None) -> None:
        self._require(src)
        self._require_empty(dst)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        track = self._tracks[src]
        if not 0 < n_tokens <= track.n_tokens:
            raise ValueError(f"sequence {src} holds {track.n_tokens} tokens, not {n_tokens}")
        pos = track.pos_after(n_tokens)
        if state is None:
            if self.shape.kind.has_state_part:
                raise ValueError("only plain attention can be restored without a state part")
        elif not state.is_partial or state.n_tokens != n_tokens or state.jumps != jumps_until(n_tokens, track.jumps):
            raise ValueError("the state does not belong to this many tokens")
        data = None if state is None else part_of(state)
        llama_cpp.llama_memory_seq_cp(self._memory, src, dst, 0, pos)
        self._tracks[dst].stand(n_tokens, track.jumps)
        if data is not None:
            self._set(dst, data, _PARTIAL)

    @override
    def rewind(self, seq: int, n_tokens: int) -> None:
        self._require(seq)
        track = self._tracks[seq]
        if not 0 < n_tokens <= track.n_tokens:
            raise ValueError(f"sequence {seq} holds {track.n_tokens} tokens, not {n_tokens}")
        pos, kind = track.pos_after(n_tokens), self.shape.kind
        if kind.has_recurrent:
            raise ValueError("recurrent state has no tail to drop")
        if kind.has_window and self.span(seq)[0] > max(0, pos - self.shape.n_swa):
            raise ValueError("the window before that position is gone")
        if not llama_cpp.llama_memory_seq_rm(self._memory, seq, pos, -1):
            raise EngineError("libllama refused to drop the tail of a sequence")
        track.stand(n_tokens, track.jumps)

    @override
    def mark(self, seq: int, shadow: int) -> Mark:
        return marks.mark(self, seq, shadow)

    @override
    def roll_back(self, seq: int, mark: Mark) -> None:
        marks.roll_back(self, seq, mark)

    @override
    def release(self, mark: Mark) -> None:
        marks.release(self, mark)

    @override
    def drop(self, seq: int) -> None:
        self._require(seq)
        if not llama_cpp.llama_memory_seq_rm(self._memory, seq, -1, -1):
            raise EngineError("libllama refused to drop a sequence")
        self._tracks[seq].stand(0, ())

    @override
    def state_bytes(self, seq: int, *, partial: bool) -> int:
        self._require(seq)
        return int(llama_cpp.llama_state_seq_get_size_ext(self._handle, seq, _PARTIAL if partial else 0))

    @override
    def save(self, seq: int, *, partial: bool) -> State:
        self._require(seq)
        if partial and not self.shape.kind.has_state_part:
            raise ValueError("plain attention has no partial state")
        track = self._tracks[seq]
        return State({MODEL: self._get(seq, _PARTIAL if partial else 0)}, track.n_tokens, partial, track.jumps)

    @override
    def load(self, state: State, seq: int) -> None:
        self._require_empty(seq)
        if state.is_partial and self.shape.kind.shares_cells:
            raise ValueError("a partial state needs the attention cells below it: borrow them")
        self._set(seq, part_of(state), _PARTIAL if state.is_partial else 0)
        self._tracks[seq].stand(state.n_tokens, state.jumps)

    @override
    def save_cells(self, seq: int, start: int, end: int, via: int) -> Cells:
        self._require(seq)
        self._require_empty(via)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        track = self._tracks[seq]
        if not 0 <= start < end <= track.n_tokens:
            raise ValueError(f"sequence {seq} holds {track.n_tokens} tokens, not those from {start} to {end}")
        pos, pos_end = track.pos_after(start), track.pos_after(end)
        llama_cpp.llama_memory_seq_cp(self._memory, seq, via, pos, pos_end)
        try:
            return Cells({MODEL: self._get_cells(via)}, start, end, jumps_until(end, track.jumps))
        finally:
            self.drop(via)

    @override
    def put_cells(self, seq: int, runs: Sequence[Cells], end: int, state: State | None, via: int) -> None:
        self._require(seq)
        self._require_empty(via)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")
        track, jumps = self._tracks[seq], runs[-1].jumps
        length = track.n_tokens
        follows = all(a.end == b.start for a, b in pairwise(runs)) and jumps_until(length, jumps) == track.jumps
        if not follows or not runs[0].start <= length < end <= runs[-1].end:
            raise ValueError(f"cells from {runs[0].start} to {end} do not follow the {length} of {seq}, or one another")
        pos, pos_end = pos_after(length, jumps), pos_after(end, jumps)
        if (state is None) == self.shape.kind.has_state_part:
            raise ValueError("only plain attention can be restored without a state part")
        pieces = joined([part_of(run) for run in runs])
        if state is not None:
            pieces.append(part_of(state)[N_STATE_HEADER:])
        if length or runs[-1].end != end:
            self._set(via, self._in_one(pieces), 0)
            llama_cpp.llama_memory_seq_cp(self._memory, via, seq, pos, pos_end)
            self.drop(via)
        else:
            self._set(seq, self._in_one(pieces), 0)
        track.stand(end, jumps)

    @override
    def cut(self, cells: Cells, end: int, start: int | None = None) -> Cells:
        return cut(cells, end, start)

    @override
    def put_state(self, seq: int, state: State) -> None:
        self._require(seq)
        track = self._tracks[seq]
        if not state.is_partial or (state.n_tokens, state.jumps) != (track.n_tokens, track.jumps):
            raise ValueError("the state does not belong to this many tokens")
        if MODEL not in state.parts:
            self.drop(seq)
        self._set(seq, part_of(state), _PARTIAL)

    @override
    def sampler(self, params: SamplingParams, prompt: Tokens, mask: Mask | None = None) -> Chain:
        chain = Chain(self._loaded(), self.model.vocabulary, params, n_ctx=self.n_cells, mask=mask)
        chain.remember(prompt)
        return chain

    @override
    def is_eog(self, token: int) -> bool:
        return self.model.vocabulary.is_eog(token)

    def _loaded(self) -> int:
        """libllama's context. Raises EngineError while there is none."""
        if self._handle is None:
            raise EngineError("the model is not loaded")
        return self._handle

    def _require(self, seq: int) -> None:
        """Raise ValueError for an id at which libllama would abort, or which it would read as all sequences.

        Raises EngineError while there is no context.
        """
        self._loaded()
        if not 0 <= seq < self.n_seq_max:
            raise ValueError(f"there is no sequence {seq}; ids run from 0 to {self.n_seq_max - 1}")

    def _require_empty(self, seq: int) -> None:
        self._require(seq)
        if self._tracks[seq].n_tokens:
            raise ValueError(f"sequence {seq} is in use")

    def _keeps_windows_apart(self, seq: int) -> bool:
        """Whether windows have a cache of their own: libllama may know of a window, and keep all cells in one cache.

        Loading a partial state would empty that one. A hybrid's windows always have one.
        """
        if self._has_window_cache is None:
            self._has_window_cache = self.shape.kind.has_recurrent or self.state_bytes(
                seq, partial=True
            ) < self.state_bytes(seq, partial=False)
        return self._has_window_cache

    def _share_seen(self, src: int, dst: int, first_seen: int, last: int) -> None:
        """Let `dst` share all attention cells of `src`, but only the window's cells from `first_seen` to `last`.

        libllama shares ranges of both caches alike, and counts a cell wrongly that is shared twice. Only loading a
        window empties one alone, so the last token's cell is copied. Raises NoRoomError with `dst` empty.
        """
        llama_cpp.llama_memory_seq_cp(self._memory, src, dst, last, last + 1)
        data = self._get(dst, _PARTIAL)
        llama_cpp.llama_memory_seq_cp(self._memory, src, dst, 0, first_seen)
        self._set(dst, data, _PARTIAL)
        llama_cpp.llama_memory_seq_cp(self._memory, src, dst, first_seen, last)

    def _in_one(self, pieces: list[Bytes]) -> Bytes:
        """Concatenate the pieces; valid until the next call, since reusing the buffer is much faster."""
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
        n_bytes_part = self.state_bytes(seq, partial=True) - N_STATE_HEADER if has_part else 0
        data.resize(len(data) - n_bytes_part, refcheck=False)
        return data

    def _set(self, seq: int, data: NDArray[np.uint8], flags: int) -> None:
        libllama.pop_errors()
        if not llama_cpp.llama_state_seq_set_data_ext(self._handle, _bytes(data), data.nbytes, seq, flags):
            self.drop(seq)  # with a window, the attention cells were already loaded
            reason = "; ".join(libllama.pop_errors())
            if _FULL.search(reason):
                raise NoRoomError(f"no room for a saved state: {reason}")
            raise StateError(f"libllama refused a saved state: {reason}")


def _bytes(data: NDArray[np.uint8]) -> object:
    return ctypes.cast(data.ctypes.data, ctypes.POINTER(ctypes.c_uint8))
