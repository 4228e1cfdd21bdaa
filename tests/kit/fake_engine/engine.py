"""The Engine over simulated memory: it refuses what libllama and `Context` refuse."""

import hashlib
import threading
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.engine import marks
from segue.engine.base import Chunk, Logits, Mark, Mask, Tokens
from segue.engine.errors import EngineError, NoRoomError, StateError
from segue.engine.positions import Track, jumps_until, pos_after
from segue.engine.sampling import SamplingParams
from segue.engine.state import MODEL, Bytes, Cells, State, part_of
from segue.memory import MemoryShape, MemoryTraits
from tests.kit.fake_engine.batches import UBatch, places, require_batch, split, split_equally
from tests.kit.fake_engine.memory import N_BYTES_CELL, N_BYTES_RECURRENT, Memory, bytes_of, cells_of, recurrent_of
from tests.kit.fake_engine.numbers import END_OF_REPLY, N_SWA, N_VOCAB, logits_of
from tests.kit.fake_engine.sampler import FakeSampler

N_EMBD: Final = 4


class FakeEngine:
    """The Engine over simulated memory. It refuses what libllama and `Context` refuse, with the same exceptions.

    `n_pad` is what the window cache's size is rounded up to: 256 in libllama, which is a lot for a small test.
    `decoded` lists for each call the sequences and how many tokens of each were read. `failures` are raised by the
    next calls of `decode`, as failures of libllama. While it `refuses_states`, none is taken from the host.
    Used by one thread, whichever comes first.
    """

    def __init__(
        self,
        kind: MemoryTraits,
        *,
        n_cells: int = 512,
        n_seq_max: int = 8,
        n_batch: int = 32,
        n_ubatch: int = 16,
        n_rows: int = 0,
        is_unified: bool = True,
        n_swa: int = N_SWA,
        n_pad: int = 1,
    ) -> None:
        n_swa = n_swa if kind.has_window else 0
        n_bytes_state = N_BYTES_CELL * n_swa + N_BYTES_RECURRENT * kind.has_recurrent
        self.shape = MemoryShape(kind, n_swa, N_BYTES_CELL * kind.shares_cells, n_bytes_state, 4 * N_VOCAB)
        self.n_seq_max = n_seq_max
        self.n_cells = n_cells
        self.n_batch = min(n_ubatch, n_batch) if kind.has_window else n_batch
        self.n_ubatch = min(n_ubatch, n_batch)
        self.n_rows_max = max(n_seq_max, n_rows)
        self.n_vocab = N_VOCAB
        self.n_embd = N_EMBD
        self.takes_positions = True
        self.is_unified = is_unified
        self.n_open_samplers = 0
        self.decoded: list[dict[int, int]] = []
        self.failures: deque[EngineError] = deque()
        self.refuses_states = False
        n_window = -(-min(n_cells, n_swa * (n_seq_max if is_unified else 1) + n_ubatch) // n_pad) * n_pad
        self.memory = Memory(
            kind, n_swa, n_cells=n_cells, n_window=n_window, n_seq_max=n_seq_max, is_unified=is_unified
        )
        self._tracks = [Track() for _ in range(n_seq_max)]
        self._rows: dict[int, Logits] = {}
        self._thread: int | None = None

    def length(self, seq: int) -> int:
        return self._tracks[seq].n_tokens

    def position(self, seq: int) -> int:
        return self._tracks[seq].pos

    def span(self, seq: int) -> tuple[int, int]:
        self._require(seq)
        return self.memory.span(seq)

    def occupied(self) -> set[int]:
        """The sequences that hold anything at all."""
        return self.memory.occupied()

    def decode(self, chunks: list[Chunk]) -> list[tuple[int, ...]]:
        self._enter()
        for chunk in chunks:
            self._require(chunk.seq)
        require_batch(chunks, self.n_batch, self.n_rows_max, self.n_embd)
        for row in self._rows.values():
            row.fill(np.nan)
        self._rows.clear()
        if self.failures or any(self.span(chunk.seq)[1] != self._tracks[chunk.seq].pos_last for chunk in chunks):
            for chunk in chunks:
                self.drop(chunk.seq)
            raise self.failures.popleft() if self.failures else EngineError("positions do not follow")
        if self.shape.kind.has_recurrent:
            self._read(split_equally(chunks, self.n_ubatch), chunks)
        else:
            try:
                self._read(split(chunks, self.n_ubatch), chunks)
            except NoRoomError:
                self._read(split_equally(chunks, self.n_ubatch), chunks)
        self.decoded.append({chunk.seq: len(chunk.inputs) for chunk in chunks})
        starts = [sum(len(chunk.inputs) for chunk in chunks[:number]) for number in range(len(chunks))]
        return [tuple(start + i for i in chunk.offsets()) for start, chunk in zip(starts, chunks, strict=True)]

    def logits(self, row: int) -> Logits:
        self._enter()
        if row not in self._rows:
            raise ValueError("no logits were asked for there")
        return self._rows[row]

    def copy(self, src: int, dst: int, *, trims_window: bool = False) -> None:
        self._enter()
        self._require(src)
        self._require_unified_and_empty(dst)
        track = self._tracks[src]
        first_seen = track.pos_last + 1 - self.shape.n_swa
        if trims_window and self.shape.kind.has_window and first_seen > 0:
            self._share_seen(src, dst, first_seen, track.pos_last)
        else:
            self.memory.share(src, dst)
        self.memory.recurrent[dst] = self.memory.recurrent[src]
        self._tracks[dst].stand(track.n_tokens, track.jumps)

    def borrow(self, src: int, dst: int, n_tokens: int, state: State | None) -> None:
        self._enter()
        self._require(src)
        self._require_unified_and_empty(dst)
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
        self.memory.share(src, dst, pos)
        self._tracks[dst].stand(n_tokens, track.jumps)
        if data is not None:
            self._require_taken(dst)
            self._put(dst, data, partial=True)

    def rewind(self, seq: int, n_tokens: int) -> None:
        self._enter()
        self._require(seq)
        track = self._tracks[seq]
        if not 0 < n_tokens <= track.n_tokens:
            raise ValueError(f"sequence {seq} holds {track.n_tokens} tokens, not {n_tokens}")
        pos = track.pos_after(n_tokens)
        if self.shape.kind.has_recurrent:
            raise ValueError("recurrent state has no tail to drop")
        if self.shape.kind.has_window and self.span(seq)[0] > max(0, pos - self.shape.n_swa):
            raise ValueError("the window before that position is gone")
        self.memory.cut_tail(seq, pos)
        track.stand(n_tokens, track.jumps)

    def mark(self, seq: int, shadow: int) -> Mark:
        return marks.mark(self, seq, shadow)

    def roll_back(self, seq: int, mark: Mark) -> None:
        marks.roll_back(self, seq, mark)

    def release(self, mark: Mark) -> None:
        marks.release(self, mark)

    def drop(self, seq: int) -> None:
        self._enter()
        self._require(seq)
        self.memory.clear(seq)
        self._tracks[seq].stand(0, ())

    def state_bytes(self, seq: int, *, partial: bool) -> int:
        self._require(seq)
        return self.memory.saved(seq, partial=partial).nbytes

    def save(self, seq: int, *, partial: bool) -> State:
        self._enter()
        self._require(seq)
        if partial and not self.shape.kind.has_state_part:
            raise ValueError("plain attention has no partial state")
        track = self._tracks[seq]
        return State({MODEL: self.memory.saved(seq, partial=partial)}, track.n_tokens, partial, track.jumps)

    def load(self, state: State, seq: int) -> None:
        self._enter()
        self._require_empty(seq)
        if state.is_partial and self.shape.kind.shares_cells:
            raise ValueError("a partial state needs the attention cells below it: borrow them")
        self._require_taken(seq)
        self._put(seq, part_of(state), partial=state.is_partial)
        self._tracks[seq].stand(state.n_tokens, state.jumps)

    def save_cells(self, seq: int, start: int, end: int, via: int) -> Cells:
        self._enter()
        self._require(seq)
        self._require_unified_and_empty(via)
        track = self._tracks[seq]
        if not 0 <= start < end <= track.n_tokens:
            raise ValueError(f"sequence {seq} holds {track.n_tokens} tokens, not those from {start} to {end}")
        data = self.memory.saved_cells(seq, track.pos_after(start), track.pos_after(end), via)
        assert data.nbytes == (end - start) * N_BYTES_CELL
        return Cells({MODEL: data}, start, end, jumps_until(end, track.jumps))

    def put_cells(self, seq: int, runs: Sequence[Cells], end: int, state: State | None, via: int) -> None:
        self._enter()
        self._require(seq)
        self._require_unified_and_empty(via)
        track, jumps = self._tracks[seq], runs[-1].jumps
        length = track.n_tokens
        follows = all(a.end == b.start for a, b in pairwise(runs)) and jumps_until(length, jumps) == track.jumps
        if not follows or not runs[0].start <= length < end <= runs[-1].end:
            raise ValueError(f"these cells do not follow the {length} of sequence {seq}")
        pos_end = pos_after(end, jumps)
        if (state is None) == self.shape.kind.has_state_part:
            raise ValueError("only plain attention can be restored without a state part")
        assert state is None or state.is_partial
        self._require_taken(via)
        data = None if state is None else part_of(state)
        self.memory.put_cells(seq, [part_of(run) for run in runs], track.pos, pos_end, via)
        track.stand(end, jumps)
        if data is not None and self.shape.kind.has_recurrent:
            self.memory.recurrent[seq] = recurrent_of(data)

    def put_state(self, seq: int, state: State) -> None:
        self._enter()
        self._require(seq)
        track = self._tracks[seq]
        if not state.is_partial or (state.n_tokens, state.jumps) != (track.n_tokens, track.jumps):
            raise ValueError("the state does not belong to this many tokens")
        self._require_taken(seq)
        if MODEL not in state.parts:
            self.drop(seq)
        self._put(seq, part_of(state), partial=True)

    def cut(self, cells: Cells, end: int, start: int | None = None) -> Cells:
        start = cells.start if start is None else start
        if not cells.start <= start < end <= cells.end:
            raise ValueError(f"cells from {cells.start} to {cells.end} do not contain those from {start} to {end}")
        pos_start, pos_end = pos_after(start, cells.jumps), pos_after(end, cells.jumps)
        parts = {}
        for name, data in cells.parts.items():
            pos, values = cells_of(data)
            stays = (pos_start <= pos) & (pos < pos_end)
            if stays.any():
                parts[name] = np.concatenate([bytes_of(pos[stays]), bytes_of(values[stays])])
        return Cells(parts, start, end, jumps_until(end, cells.jumps))

    def sampler(self, params: SamplingParams, prompt: Tokens, mask: Mask | None = None) -> FakeSampler:  # noqa: ARG002
        self._enter()
        return FakeSampler(self, params, mask)

    def is_eog(self, token: int) -> bool:
        return token == END_OF_REPLY

    def _enter(self) -> None:
        self._thread = self._thread or threading.get_ident()
        assert self._thread == threading.get_ident(), "the engine belongs to one thread"

    def _require(self, seq: int) -> None:
        if not 0 <= seq < self.n_seq_max:
            raise ValueError(f"there is no sequence {seq}; ids run from 0 to {self.n_seq_max - 1}")

    def _require_empty(self, seq: int) -> None:
        self._require(seq)
        if self._tracks[seq].n_tokens:
            raise ValueError(f"sequence {seq} is in use")

    def _require_unified_and_empty(self, seq: int) -> None:
        self._require_empty(seq)
        if not self.is_unified:
            raise ValueError("sequences of a context that is not unified share nothing")

    def _read(self, ubatches: list[UBatch], chunks: list[Chunk]) -> None:
        """Read physical batches; NoRoomError before anything is read."""
        positions = [self._positions(chunk) for chunk in chunks]
        prepared = []
        for caches in (self.memory.base, self.memory.window):
            for stream, cells in enumerate(caches):
                placed = [places(ubatch, chunks, positions, None if self.is_unified else stream) for ubatch in ubatches]
                slots = cells.prepare(placed)
                if slots is None:
                    raise NoRoomError("the attention cells are full")
                prepared.append((cells, placed, slots))
        for i, ubatch in enumerate(ubatches):
            for cells, placed, slots in prepared:
                if len(slots[i]):
                    cells.place(slots[i], *placed[i])
            for number, first, last in ubatch:
                chunk, row = chunks[number], sum(len(chunk.inputs) for chunk in chunks[:number])
                values = self.memory.read(chunk.seq, positions[number][first:last], _ids(chunk.inputs[first:last]))
                for i in chunk.offsets():
                    if first <= i < last:
                        self._rows[row + i] = logits_of(values[i - first])
        for chunk in chunks:
            self._tracks[chunk.seq].read(len(chunk.inputs), chunk.positions)

    def _positions(self, chunk: Chunk) -> NDArray[np.int64]:
        offsets = np.arange(len(chunk.inputs)) if chunk.positions is None else chunk.positions.offsets
        return offsets.astype(np.int64) + self._tracks[chunk.seq].pos

    def _share_seen(self, src: int, dst: int, first_seen: int, last: int) -> None:
        """Share what `src` holds, but only the window that its next token sees; the last cell is a copy."""
        self.memory.share(src, dst, last + 1, last)
        self.memory.recurrent[dst] = self.memory.recurrent[src]
        data = self.memory.saved(dst, partial=True)
        self.memory.share(src, dst, first_seen)
        self._put(dst, data, partial=True)
        self.memory.share(src, dst, last, first_seen)

    def _require_taken(self, seq: int) -> None:
        if self.refuses_states:
            self.drop(seq)
            raise StateError("mismatched key type")

    def _put(self, seq: int, data: Bytes, *, partial: bool) -> None:
        """Put a state's bytes into a sequence; it is empty if that fails."""
        try:
            self.memory.load(seq, data, partial=partial)
        except NoRoomError:
            self.drop(seq)
            raise


def _ids(inputs: NDArray[np.generic]) -> list[int]:
    """Tokens as they are; embeddings as numbers of their bytes."""
    if inputs.ndim == 1:
        return [int(token) for token in inputs]
    return [int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little") for row in inputs]
