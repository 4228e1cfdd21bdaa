"""An engine without a model: libllama's memory told strictly, and logits by which any wrong state shows.

What a token leaves behind is a hash of all that it sees: each cell of its sequence at an earlier position, the window's
cells, the recurrent state. A gap, a foreign cell, a stale or a doubled one thus changes every logit after it, for ever.
`expected_reply` computes the same from the path alone.
"""

import hashlib
import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.engine import marks
from segue.engine.base import NO_TOKEN, Chunk, Logits, Mark, Mask, Tokens
from segue.engine.errors import EngineError, NoRoomError, StateError
from segue.engine.positions import Track, jumps_until, pos_after
from segue.engine.sampling import SamplingParams
from segue.engine.state import MODEL, State, part_of
from segue.engine.state import Cells as StoredCells
from segue.memory import MemoryShape, MemoryTraits

N_VOCAB: Final = 32
END_OF_REPLY: Final = N_VOCAB - 1
N_EMBD: Final = 4
N_SWA: Final = 8

_MASK: Final = (1 << 64) - 1
_N_BYTES_CELL: Final = 16
_N_BYTES_RECURRENT: Final = 64
_Slots = NDArray[np.intp]


@dataclass(slots=True)
class Reading:
    """What a model has made of a path: the values of its tokens, and the recurrent state after them."""

    kind: MemoryTraits
    n_swa: int
    values: list[int]
    everything: int = 0
    recurrent: int = 0

    def read(self, token: int) -> None:
        """Read the next token."""
        position = len(self.values)
        window = sum(self.values[max(0, position - self.n_swa + 1) :]) if self.kind.has_window else 0
        self.values.append(_value(position, token, self.everything, window, self.recurrent))
        if self.kind.shares_cells:
            self.everything += self.values[-1]
        if self.kind.has_recurrent:
            self.recurrent = _mix(self.recurrent, self.values[-1])

    @property
    def logits(self) -> Logits:
        """Those after the last token."""
        return _logits(self.values[-1])


def expected_logits(kind: MemoryTraits, tokens: Iterable[int], *, n_swa: int = N_SWA) -> Logits:
    """The logits after a path, whatever else was cached or running."""
    return _read(kind, tokens, n_swa).logits


def expected_reply(
    kind: MemoryTraits, tokens: Iterable[int], n: int, *, ignore_eos: bool = True, n_swa: int = N_SWA
) -> list[int]:
    """The greedy reply of at most `n` tokens to a prompt, an end-of-reply token included."""
    reading = _read(kind, tokens, n_swa)
    reply: list[int] = []
    while len(reply) < n and (not reply or reply[-1] != END_OF_REPLY):
        reply.append(_greedy(reading.logits, ignore_eos=ignore_eos))
        reading.read(reply[-1])
    return reply


class FakeSampler:
    """Takes the likeliest token, whatever the other parameters ask; of those that its mask allows, if it has one."""

    def __init__(self, engine: "FakeEngine", params: SamplingParams, mask: Mask | None = None) -> None:
        self._engine = engine
        self._mask = mask
        self._ignore_eos = params.ignore_eos
        self._is_open = True
        engine.n_open_samplers += 1

    def sample(self, row: int) -> int:
        return self.sample_from(self._engine.logits(row))

    def sample_from(self, logits: Logits) -> int:
        token = self._best(logits)
        if self._mask is not None and token != NO_TOKEN:
            self._mask.accept(token)
        return token

    def candidates(self, logits: Logits) -> tuple[NDArray[np.int32], Logits]:
        return np.array([self._best(logits)], np.int32), np.ones(1, np.float32)

    def _best(self, logits: Logits) -> int:
        assert self._is_open
        if self._mask is None:
            return _greedy(logits, ignore_eos=self._ignore_eos)
        allowed = self._mask.choice().tokens(N_VOCAB)
        return int(allowed[np.argmax(logits[allowed])]) if len(allowed) else NO_TOKEN

    def close(self) -> None:
        assert self._is_open, "a sampler is closed once"
        self._is_open = False
        self._engine.n_open_samplers -= 1


class Cells:
    """One stream of libllama's attention cells; `n_swa` is 0 where all of a sequence is seen.

    `find`, `place` and `prepare` follow llama-kv-cache.cpp step by step, since the order in which window cells are
    used again decides what a sequence still holds.
    """

    def __init__(self, n_cells: int, n_seq_max: int, n_swa: int) -> None:
        self.n_swa = n_swa
        self.pos = np.full(n_cells, -1, np.int64)
        self.values = np.zeros(n_cells, np.uint64)
        self.seqs = np.zeros((n_cells, n_seq_max), np.bool_)
        self._head = 0

    def of(self, seq: int) -> _Slots:
        """The cells of a sequence, in the order they lie in."""
        return np.flatnonzero(self.seqs[:, seq])

    def span(self, seq: int) -> tuple[int, int]:
        """The lowest and the highest position of a sequence, -1 if it has none."""
        pos = self.pos[self.seqs[:, seq]]
        return (int(pos.min()), int(pos.max())) if len(pos) else (-1, -1)

    def find(self, n_tokens: int) -> _Slots | None:
        """Cells that are free, or that their only sequence does not see any more."""
        n_seqs = self.seqs.sum(axis=1)
        usable = n_seqs == 0
        if self.n_swa:
            pos_next = np.where(self.seqs, self.pos[:, None], -1).max(axis=0) + 1
            usable |= (n_seqs == 1) & (pos_next[self.seqs.argmax(axis=1)] - self.pos >= self.n_swa)
        head = 0 if self._head > np.count_nonzero(n_seqs) + 2 * n_tokens else self._head
        slots = np.flatnonzero(usable)
        first = int(np.searchsorted(slots, head))
        slots = np.concatenate((slots[first:], slots[:first]))[:n_tokens]
        return slots if len(slots) == n_tokens else None

    def place(self, slots: _Slots, pos: NDArray[np.int64], seqs: NDArray[np.int64]) -> None:
        """Give cells to tokens; a sequence that loses one loses those at lower positions too."""
        lost: dict[int, int] = {}
        for slot in slots[self.seqs[slots].any(axis=1)].tolist():
            owner = int(self.seqs[slot].argmax())
            lost[owner] = max(lost.get(owner, -1), int(self.pos[slot]))
        self.seqs[slots] = False
        self.pos[slots] = pos
        self.seqs[slots, seqs] = True
        for seq, upto in lost.items():
            self.remove(seq, 0, upto + 1)
        self._head = int(slots[-1]) + 1

    def prepare(self, ubatches: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> list[_Slots] | None:
        """Cells for a row of physical batches, or None if they do not all fit; nothing is placed yet.

        As in libllama, lower positions that a sequence lost while this was tried stay lost.
        """
        found: list[_Slots] = []
        before = []
        for pos, seqs in ubatches:
            slots = self.find(len(pos))
            if slots is None:
                break
            found.append(slots)
            before.append((slots, self.pos[slots], self.seqs[slots], self._head))
            if len(slots):
                self.place(slots, pos, seqs)
        for slots, old_pos, old_seqs, head in reversed(before):
            self.pos[slots], self.seqs[slots], self._head = old_pos, old_seqs, head
        return found if len(found) == len(ubatches) else None

    def remove(self, seq: int, start: int, end: int = 1 << 62) -> None:
        """Take a sequence off its cells in `[start, end)`."""
        gone = self.seqs[:, seq] & (start <= self.pos) & (self.pos < end)
        self.seqs[gone, seq] = False
        emptied = np.flatnonzero(gone & ~self.seqs.any(axis=1))
        self.pos[emptied] = -1
        if len(emptied):
            self._head = min(self._head, int(emptied[0]))

    def share(self, src: int, dst: int, end: int = 1 << 62, start: int = 0) -> None:
        """Let `dst` see what `src` sees in `[start, end)`."""
        self.seqs[self.seqs[:, src] & (self.pos >= start) & (self.pos < end), dst] = True

    def saved(self, seq: int) -> _Slots:
        """The cells that a state carries: those that the last token of the sequence sees."""
        slots = self.of(seq)
        return slots[self.span(seq)[1] - self.pos[slots] < self.n_swa] if self.n_swa else slots


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
        n_bytes_state = _N_BYTES_CELL * n_swa + _N_BYTES_RECURRENT * kind.has_recurrent
        self.shape = MemoryShape(kind, n_swa, _N_BYTES_CELL * kind.shares_cells, n_bytes_state, 4 * N_VOCAB)
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
        n_streams = 1 if is_unified else n_seq_max
        n_window = -(-min(n_cells, n_swa * (n_seq_max if is_unified else 1) + n_ubatch) // n_pad) * n_pad
        self._base = [Cells(n_cells, n_seq_max, 0) for _ in range(n_streams if kind.shares_cells else 0)]
        self._window = [Cells(n_window, n_seq_max, n_swa) for _ in range(n_streams if kind.has_window else 0)]
        self._recurrent: list[tuple[int, int] | None] = [None] * n_seq_max
        self._tracks = [Track() for _ in range(n_seq_max)]
        self._rows: dict[int, Logits] = {}
        self._thread: int | None = None

    def length(self, seq: int) -> int:
        return self._tracks[seq].n_tokens

    def position(self, seq: int) -> int:
        return self._tracks[seq].pos

    def span(self, seq: int) -> tuple[int, int]:
        self._require(seq)
        spans = [cells.span(seq) for cells in (self.caches(seq)[-1:])]
        if self.shape.kind.has_recurrent:
            recurrent = self._recurrent[seq]
            spans.append((recurrent[0], recurrent[0]) if recurrent else (-1, -1))
        return max(span[0] for span in spans), min(span[1] for span in spans)

    def occupied(self) -> set[int]:
        """The sequences that hold anything at all."""
        held = {seq for seq, recurrent in enumerate(self._recurrent) if recurrent}
        for cells in (*self._base, *self._window):
            held |= set(np.flatnonzero(cells.seqs.any(axis=0)).tolist())
        return held

    def decode(self, chunks: list[Chunk]) -> list[tuple[int, ...]]:
        self._enter()
        self._require_batch(chunks)
        for row in self._rows.values():
            row.fill(np.nan)
        self._rows.clear()
        if self.failures or any(self.span(chunk.seq)[1] != self._tracks[chunk.seq].pos_last for chunk in chunks):
            for chunk in chunks:
                self.drop(chunk.seq)
            raise self.failures.popleft() if self.failures else EngineError("positions do not follow")
        if self.shape.kind.has_recurrent:
            self._read(_split_equally(chunks, self.n_ubatch), chunks)
        else:
            try:
                self._read(_split(chunks, self.n_ubatch), chunks)
            except NoRoomError:
                self._read(_split_equally(chunks, self.n_ubatch), chunks)
        self.decoded.append({chunk.seq: len(chunk.inputs) for chunk in chunks})
        starts = [sum(len(chunk.inputs) for chunk in chunks[:number]) for number in range(len(chunks))]
        return [tuple(start + i for i in chunk.offsets()) for start, chunk in zip(starts, chunks, strict=True)]

    def logits(self, row: int) -> Logits:
        self._enter()
        if row not in self._rows:
            raise ValueError("no logits were asked for there")
        return self._rows[row]

    def copy(self, src: int, dst: int, *, own_window: bool = False) -> None:
        self._enter()
        self._require(src)
        self._require_unified_and_empty(dst)
        for cells in self.caches(src):
            cells.share(src, dst)
        self._recurrent[dst] = self._recurrent[src]
        track = self._tracks[src]
        self._tracks[dst].stand(track.n_tokens, track.jumps)
        if own_window and self.shape.kind.has_window and track.n_tokens:
            self._set(dst, self._get(src, partial=True), partial=True)

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
        for cells in self.caches(src):
            cells.share(src, dst, pos)
        self._tracks[dst].stand(n_tokens, track.jumps)
        if data is not None:
            self._require_taken(dst)
            self._set(dst, data, partial=True)

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
        for cells in self.caches(seq):
            cells.remove(seq, pos)
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
        for cells in self.caches(seq):
            cells.remove(seq, 0)
        self._recurrent[seq] = None
        self._tracks[seq].stand(0, ())

    def state_bytes(self, seq: int, *, partial: bool) -> int:
        self._require(seq)
        return self._get(seq, partial=partial).nbytes

    def save(self, seq: int, *, partial: bool) -> State:
        self._enter()
        self._require(seq)
        if partial and not self.shape.kind.has_state_part:
            raise ValueError("plain attention has no partial state")
        track = self._tracks[seq]
        return State({MODEL: self._get(seq, partial=partial)}, track.n_tokens, partial, track.jumps)

    def load(self, state: State, seq: int) -> None:
        self._enter()
        self._require_empty(seq)
        if state.is_partial and self.shape.kind.shares_cells:
            raise ValueError("a partial state needs the attention cells below it: borrow them")
        self._require_taken(seq)
        self._set(seq, part_of(state), partial=state.is_partial)
        self._tracks[seq].stand(state.n_tokens, state.jumps)

    def save_cells(self, seq: int, start: int, end: int, via: int) -> StoredCells:
        self._enter()
        self._require(seq)
        self._require_unified_and_empty(via)
        track = self._tracks[seq]
        if not 0 <= start < end <= track.n_tokens:
            raise ValueError(f"sequence {seq} holds {track.n_tokens} tokens, not those from {start} to {end}")
        self._base[0].share(seq, via, track.pos_after(end), track.pos_after(start))
        slots = self._base[0].saved(via)
        data = np.concatenate([_bytes(self._base[0].pos[slots]), _bytes(self._base[0].values[slots])])
        self.drop(via)
        assert data.nbytes == (end - start) * _N_BYTES_CELL
        return StoredCells({MODEL: data}, start, end, jumps_until(end, track.jumps))

    def put_cells(self, seq: int, runs: Sequence[StoredCells], end: int, state: State | None, via: int) -> None:
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
        base, data = self._base[0], None if state is None else part_of(state)
        pos, values = (np.concatenate(column) for column in zip(*(_stored(part_of(run)) for run in runs), strict=True))
        slots = base.find(len(pos))
        if slots is None:
            raise NoRoomError("no room for stored cells")
        base.place(slots, pos, np.full(len(pos), via))
        base.values[slots] = values
        base.share(via, seq, pos_end, track.pos)
        self.drop(via)
        track.stand(end, jumps)
        if data is not None and self.shape.kind.has_recurrent:
            self._recurrent[seq] = _recurrent(data)

    def put_state(self, seq: int, state: State) -> None:
        self._enter()
        self._require(seq)
        track = self._tracks[seq]
        if not state.is_partial or (state.n_tokens, state.jumps) != (track.n_tokens, track.jumps):
            raise ValueError("the state does not belong to this many tokens")
        self._require_taken(seq)
        if MODEL not in state.parts:
            self.drop(seq)
        self._set(seq, part_of(state), partial=True)

    def cut(self, cells: StoredCells, end: int, start: int | None = None) -> StoredCells:
        start = cells.start if start is None else start
        if not cells.start <= start < end <= cells.end:
            raise ValueError(f"cells from {cells.start} to {cells.end} do not contain those from {start} to {end}")
        pos_start, pos_end = pos_after(start, cells.jumps), pos_after(end, cells.jumps)
        parts = {}
        for name, data in cells.parts.items():
            pos, values = _stored(data)
            stays = (pos_start <= pos) & (pos < pos_end)
            if stays.any():
                parts[name] = np.concatenate([_bytes(pos[stays]), _bytes(values[stays])])
        return StoredCells(parts, start, end, jumps_until(end, cells.jumps))

    def sampler(self, params: SamplingParams, prompt: Tokens, mask: Mask | None = None) -> FakeSampler:  # noqa: ARG002
        self._enter()
        return FakeSampler(self, params, mask)

    def is_eog(self, token: int) -> bool:
        return token == END_OF_REPLY

    def _enter(self) -> None:
        self._thread = self._thread or threading.get_ident()
        assert self._thread == threading.get_ident(), "the engine belongs to one thread"

    def caches(self, seq: int) -> list[Cells]:
        """The base cache and the window cache that a sequence lies in, those that the kind has."""
        stream = 0 if self.is_unified else seq
        return [*self._base[stream : stream + 1], *self._window[stream : stream + 1]]

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

    def _require_batch(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            self._require(chunk.seq)
        n_inputs = [len(chunk.inputs) for chunk in chunks]
        if not all(n_inputs) or not 0 < sum(n_inputs) <= self.n_batch:
            raise ValueError(f"a batch holds 1 to {self.n_batch} inputs")
        if len({chunk.inputs.ndim for chunk in chunks}) > 1:
            raise ValueError("a batch holds tokens or embeddings, not both")
        if any(chunk.inputs.ndim == 2 and chunk.inputs.shape[1] != self.n_embd for chunk in chunks):
            raise ValueError(f"a batch of embeddings needs {self.n_embd} floats each")
        if sum(len(chunk.offsets()) for chunk in chunks) > self.n_rows_max:
            raise ValueError(f"a batch has at most {self.n_rows_max} rows of logits")
        for chunk, n in zip(chunks, n_inputs, strict=True):
            if chunk.positions is not None:
                chunk.positions.require(n)
        if len({chunk.seq for chunk in chunks}) < len(chunks):
            raise ValueError("a sequence is read twice in one batch")

    def _read(self, ubatches: list[list[tuple[int, int, int]]], chunks: list[Chunk]) -> None:
        """Read physical batches, lists of chunk numbers with a part of each; NoRoomError before anything is read."""
        positions = [self._positions(chunk) for chunk in chunks]
        prepared = []
        for caches in (self._base, self._window):
            for stream, cells in enumerate(caches):
                places = [
                    self._places(ubatch, chunks, positions, None if self.is_unified else stream) for ubatch in ubatches
                ]
                slots = cells.prepare(places)
                if slots is None:
                    raise NoRoomError("the attention cells are full")
                prepared.append((cells, places, slots))
        for i, ubatch in enumerate(ubatches):
            for cells, places, slots in prepared:
                if len(slots[i]):
                    cells.place(slots[i], *places[i])
            for number, first, last in ubatch:
                chunk, row = chunks[number], sum(len(chunk.inputs) for chunk in chunks[:number])
                values = self._read_inputs(chunk.seq, positions[number][first:last], _ids(chunk.inputs[first:last]))
                for i in chunk.offsets():
                    if first <= i < last:
                        self._rows[row + i] = _logits(values[i - first])
        for chunk in chunks:
            self._tracks[chunk.seq].read(len(chunk.inputs), chunk.positions)

    def _positions(self, chunk: Chunk) -> NDArray[np.int64]:
        offsets = np.arange(len(chunk.inputs)) if chunk.positions is None else chunk.positions.offsets
        return offsets.astype(np.int64) + self._tracks[chunk.seq].pos

    def _places(
        self,
        ubatch: list[tuple[int, int, int]],
        chunks: list[Chunk],
        positions: list[NDArray[np.int64]],
        stream: int | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions and sequences of the tokens of a physical batch, of one stream only if it is named."""
        parts = [part for part in ubatch if stream is None or chunks[part[0]].seq == stream]
        pos = [positions[number][first:last] for number, first, last in parts]
        seqs = [np.full(last - first, chunks[number].seq) for number, first, last in parts]
        nothing = np.empty(0, np.int64)
        return np.concatenate((nothing, *pos)), np.concatenate((nothing, *seqs))

    def _read_inputs(self, seq: int, positions: NDArray[np.int64], ids: list[int]) -> list[int]:
        """Hash inputs, whose cells are placed, with what each of them sees; the values of all."""
        kind, n_swa = self.shape.kind, self.shape.n_swa
        start, last = int(positions[0]), int(positions[-1])
        base = self._seen(self._base, seq, 0, start) if kind.shares_cells else {}
        window = self._seen(self._window, seq, start - n_swa + 1, start) if kind.has_window else {}
        everything, in_window = sum(base.values()), sum(window.values())
        recurrent = (self._recurrent[seq] or (-1, 0))[1]
        values = []
        for position, token in zip(positions.tolist(), ids, strict=True):
            while window and (oldest := next(iter(window))) <= position - n_swa:
                in_window -= window.pop(oldest)
            value = _value(position, token, everything, in_window, recurrent)
            values.append(value)
            if kind.shares_cells:
                everything += value
            if kind.has_window:
                window[position] = window.get(position, 0) + value
                in_window += value
            if kind.has_recurrent:
                recurrent = _mix(recurrent, value)
        if kind.has_recurrent:
            self._recurrent[seq] = (last, recurrent)
        for cells in self.caches(seq):
            slots = cells.of(seq)
            slots = slots[(cells.pos[slots] >= start) & (cells.pos[slots] <= last)]
            slots = slots[np.argsort(cells.pos[slots], kind="stable")]
            # A window keeps only the last of them where it is short.
            cells.values[slots] = np.array(values, np.uint64)[len(values) - len(slots) :]
        return values

    def _seen(self, caches: list[Cells], seq: int, start: int, end: int) -> dict[int, int]:
        """By position, the values of the cells of a sequence in `[start, end)`, added up where one is doubled."""
        cells = caches[0 if self.is_unified else seq]
        seen: dict[int, int] = {}
        slots = cells.of(seq)
        for slot in slots[np.argsort(cells.pos[slots], kind="stable")].tolist():
            position = int(cells.pos[slot])
            if start <= position < end:
                seen[position] = seen.get(position, 0) + int(cells.values[slot])
        return seen

    def _get(self, seq: int, *, partial: bool) -> NDArray[np.uint8]:
        """A state's bytes: for each cache its cells, then the recurrent state."""
        parts: list[NDArray[np.uint8]] = []
        for cells in self._parts(seq, partial=partial):
            slots = cells.saved(seq)
            header = np.array([len(slots)], np.int64)
            parts += [_bytes(header), _bytes(cells.pos[slots]), _bytes(cells.values[slots])]
        if self.shape.kind.has_recurrent:
            pos, state = self._recurrent[seq] or (-1, 0)
            parts.append(_bytes(np.array([pos & _MASK, state, *[0] * 6], np.uint64)))
        return np.concatenate(parts)

    def _set(self, seq: int, data: NDArray[np.uint8], *, partial: bool) -> None:
        """Put a state's bytes into a sequence; it is empty if that fails."""
        start = 0
        for cells in self._parts(seq, partial=partial):
            cells.remove(seq, 0)
            n = int(data[start : start + 8].view(np.int64)[0])
            pos = np.frombuffer(data[start + 8 : start + 8 + 8 * n].tobytes(), np.int64)
            values = np.frombuffer(data[start + 8 + 8 * n : start + 8 + 16 * n].tobytes(), np.uint64)
            start += 8 + 16 * n
            slots = cells.find(n)
            if slots is None:
                self.drop(seq)
                raise NoRoomError("no room for a saved state")
            cells.place(slots, pos, np.full(n, seq))
            cells.values[slots] = values
        if self.shape.kind.has_recurrent:
            self._recurrent[seq] = _recurrent(data)
            start += _N_BYTES_RECURRENT
        assert start == len(data), "the state is of another kind"

    def _require_taken(self, seq: int) -> None:
        if self.refuses_states:
            self.drop(seq)
            raise StateError("mismatched key type")

    def _parts(self, seq: int, *, partial: bool) -> list[Cells]:
        caches = self.caches(seq)
        if not partial or not self.shape.kind.has_state_part:
            return caches
        return caches[len(self._base[:1]) :]


def _ids(inputs: NDArray[np.generic]) -> list[int]:
    """Tokens as they are; embeddings as numbers of their bytes."""
    if inputs.ndim == 1:
        return [int(token) for token in inputs]
    return [int.from_bytes(hashlib.blake2b(row.tobytes(), digest_size=8).digest(), "little") for row in inputs]


def _stored(data: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Positions and values of stored cells."""
    n = len(data) // _N_BYTES_CELL
    return np.frombuffer(data[: 8 * n], np.int64), np.frombuffer(data[8 * n :], np.uint64)


def _recurrent(data: NDArray[np.uint8]) -> tuple[int, int]:
    """Position and state at the end of a state's bytes."""
    pos, state, *_ = np.frombuffer(data[-_N_BYTES_RECURRENT:].tobytes(), np.uint64)
    return int(pos), int(state)


def _split(chunks: list[Chunk], n_ubatch: int) -> list[list[tuple[int, int, int]]]:
    """Physical batches as they come: parts `(number, first, last)` of the chunks."""
    ubatches: list[list[tuple[int, int, int]]] = []
    room = 0
    for number, chunk in enumerate(chunks):
        first = 0
        while first < len(chunk.inputs):
            if not room:
                ubatches.append([])
                room = n_ubatch
            last = min(len(chunk.inputs), first + room)
            ubatches[-1].append((number, first, last))
            room -= last - first
            first = last
    return ubatches


def _split_equally(chunks: list[Chunk], n_ubatch: int) -> list[list[tuple[int, int, int]]]:
    """Physical batches with equally many tokens of each sequence in them."""
    done = [0] * len(chunks)
    ubatches = []
    while active := [i for i, chunk in enumerate(chunks) if done[i] < len(chunk.inputs)][:n_ubatch]:
        n = min(n_ubatch // len(active), *(len(chunks[i].inputs) - done[i] for i in active))
        ubatches.append([(i, done[i], done[i] + n) for i in active])
        for i in active:
            done[i] += n
    return ubatches


def _read(kind: MemoryTraits, tokens: Iterable[int], n_swa: int) -> Reading:
    reading = Reading(kind, n_swa, [])
    for token in tokens:
        reading.read(int(token))
    return reading


def _value(position: int, token: int, everything: int, window: int, recurrent: int) -> int:
    return _mix(_mix(_mix(_mix(position, token), everything), window), recurrent)


def _mix(a: int, b: int) -> int:
    """A well-mixed number of 64 bits of two numbers."""
    x = (a * 0x9E3779B97F4A7C15 + b + 0x632BE59BD9B4E019) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def _logits(value: int) -> Logits:
    mixed = np.array([_mix(value, token) >> 40 for token in range(N_VOCAB)], np.float32)
    return mixed / np.float32(1 << 21)


def _greedy(logits: Logits, *, ignore_eos: bool) -> int:
    allowed: Sequence[float] | Logits = logits[:END_OF_REPLY] if ignore_eos else logits
    return int(np.argmax(allowed))


def _bytes(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    return np.frombuffer(array.tobytes(), np.uint8)
