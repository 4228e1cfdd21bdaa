"""A context, and the draft context that reads along: it guesses tokens from the hidden rows of those that were read."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, cast

import numpy as np
from typing_extensions import override

from segue.engine.base import Chunk, Engine, Logits, Mark, Mask, Sampler, Tokens
from segue.engine.cells import joined
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.errors import EngineError, ModelError, StateError
from segue.engine.guesses import Course, Guess, GuessRequest, advance
from segue.engine.hidden_tail import HiddenTail, Rows
from segue.engine.mtp_context import MtpContext, Piece
from segue.engine.nextn import NextN
from segue.engine.positions import pos_after
from segue.engine.sampling import SamplingParams
from segue.engine.state import Bytes, Cells, State
from segue.memory import MemoryShape

MTP: Final = "mtp"
"""The part of the draft context: cells in libllama's format, and in states first the hidden row of the last token."""

log = logging.getLogger(__name__)

_NOTHING: Final = np.empty(0, np.uint8)
_N_UNFED_MOST = 32
"""Tokens of a sequence that may wait to be fed until something is drafted. A longer text is fed without that."""


class MtpEngine(Engine):
    """The Engine over a context whose model has layers that predict further tokens, and over these layers' context.

    Each sequence of the one has the same id in the other, and follows it. Marks do not: what is drafted from is
    compared with the path, so nothing has to be taken back.
    """

    def __init__(self, target: Context, params: ContextParams, nextn: NextN, shape: MemoryShape) -> None:
        self.target = target
        self.shape = shape
        self._nextn = nextn
        self._params = params
        self._open()
        self._tails = [HiddenTail(self._mtp.n_embd) for _ in range(target.n_seq_max)]
        self._n_bytes_row = 4 * self._mtp.n_embd
        self.n_seq_max, self.n_cells = target.n_seq_max, target.n_cells
        self.n_batch, self.n_ubatch = target.n_batch, target.n_ubatch
        self.n_rows_max, self.n_vocab, self.n_embd = target.n_rows_max, target.n_vocab, target.n_embd
        self.takes_positions, self.is_unified = target.takes_positions, target.is_unified

    def _open(self) -> None:
        self._mtp = MtpContext(self.target.model, self._params, self.target.handle, self._nextn)
        self._nextn.keep_rows(self.target.handle)

    def load_context(self) -> None:
        """Create both contexts again, after `unload_context`. Raises ModelError, with none of them loaded."""
        self.target.load_context()
        try:
            self._open()
        except ModelError:
            self.target.unload_context()
            raise

    def unload_context(self) -> None:
        """Free both contexts. All sequences must be empty."""
        self._mtp.close()
        self.target.unload_context()

    def close(self) -> None:
        """Free both contexts, if they are loaded."""
        self._mtp.close()
        self.target.close()

    @property
    def can_generate(self) -> bool:
        """Whether replies can be generated."""
        return self.target.can_generate

    def guess(self, wanted: Sequence[GuessRequest]) -> list[Guess]:
        """Guess what follows each path, of unlike sequences; nothing where the sequence has not read enough of it."""
        found = [Guess() for _ in wanted]
        able = [one.n_most > 0 and self._tails[one.seq].follows(one.path) for one in wanted]
        if sum(1 + self._tails[one.seq].n_unfed for one in wanted) > self._mtp.n_batch:
            self._feed(one.seq for one in wanted)
        courses = [
            Course(self._last(one), one.n_most, guess)
            for one, guess, is_able in zip(wanted, found, able, strict=True)
            if is_able
        ]
        try:
            advance(self._mtp, courses, self.is_eog)
        except EngineError:
            # Nothing depends on drafts.
            log.exception("no tokens could be drafted")
            return [Guess() for _ in wanted]
        for one, guess in zip(wanted, found, strict=True):
            if guess.tokens:
                self._tails[one.seq].fed(int(one.path[-1]))
        return found

    @override
    def length(self, seq: int) -> int:
        return self.target.length(seq)

    @override
    def position(self, seq: int) -> int:
        return self.target.position(seq)

    @override
    def span(self, seq: int) -> tuple[int, int]:
        return self.target.span(seq)

    @override
    def decode(self, chunks: list[Chunk]) -> list[tuple[int, ...]]:
        try:
            found = self.target.decode(chunks)
        except EngineError:
            for chunk in chunks:
                if not self.target.length(chunk.seq):
                    self._forget(chunk.seq)
            raise
        rows = self._nextn.rows(self.target.handle, sum(len(chunk.inputs) for chunk in chunks), self._mtp.n_embd)
        end = 0
        for chunk in chunks:
            start, end = end, end + len(chunk.inputs)
            tail, n_read = self._tails[chunk.seq], self.target.length(chunk.seq)
            if chunk.inputs.ndim == 1 and chunk.positions is None:
                tail.read(n_read - (end - start), cast(Tokens, chunk.inputs), rows[start:end])
            else:
                tail.reset(n_read, rows[end - 1])
            if tail.n_unfed > _N_UNFED_MOST:
                # Of a reply, one token or some drafts are read. If nothing drafts from it, feeding it would be waste.
                if end - start > 1 and len(chunk.logits_for) <= 1:
                    tail.is_of_use = True
                    self._feed([chunk.seq])
                else:
                    tail.pass_over()
        return found

    @override
    def logits(self, row: int) -> Logits:
        return self.target.logits(row)

    @override
    def copy(self, src: int, dst: int, *, trims_window: bool = False) -> None:
        self.target.copy(src, dst, trims_window=trims_window)
        self._feed([src])
        self._mtp.copy(src, dst)
        self._tails[dst] = self._tails[src].copy()

    @override
    def borrow(self, src: int, dst: int, n_tokens: int, state: State | None) -> None:
        self.target.borrow(src, dst, n_tokens, state)
        self._feed([src])
        self._mtp.copy(src, dst, self.target.position(dst))
        tail = self._tails[dst] = self._tails[src].copy()
        tail.truncate(n_tokens)
        row = self._row_of(state)
        if tail.row(n_tokens) is None and row is not None:
            tail.reset(n_tokens, row)

    @override
    def rewind(self, seq: int, n_tokens: int) -> None:
        self.target.rewind(seq, n_tokens)

    @override
    def mark(self, seq: int, shadow: int) -> Mark:
        return self.target.mark(seq, shadow)

    @override
    def roll_back(self, seq: int, mark: Mark) -> None:
        self.target.roll_back(seq, mark)

    @override
    def release(self, mark: Mark) -> None:
        self.target.release(mark)

    @override
    def drop(self, seq: int) -> None:
        self.target.drop(seq)
        self._forget(seq)

    @override
    def state_bytes(self, seq: int, *, partial: bool) -> int:
        n_bytes = self.target.state_bytes(seq, partial=partial)
        if self._tails[seq].row(self.target.length(seq)) is None:
            return n_bytes
        return n_bytes + self._n_bytes_row + (0 if partial else self._mtp.n_bytes(seq))

    @override
    def save(self, seq: int, *, partial: bool) -> State:
        state, data = self.target.save(seq, partial=partial), self._saved(seq, partial=partial)
        return replace(state, parts={**state.parts, MTP: data}) if len(data) else state

    @override
    def load(self, state: State, seq: int) -> None:
        self.target.load(state, seq)
        cells = state.parts.get(MTP, _NOTHING)[self._n_bytes_row :]
        self._restored(seq, state, has_cells=len(cells) > 0 and self._mtp.set_cells(seq, cells))

    @override
    def save_cells(self, seq: int, start: int, end: int, via: int) -> Cells:
        cells = self.target.save_cells(seq, start, end, via)
        self._feed([seq])
        pos, pos_end = pos_after(start, cells.jumps), pos_after(end, cells.jumps)
        data = self._mtp.saved_cells(seq, pos, pos_end, via)
        return replace(cells, parts={**cells.parts, MTP: data}) if len(data) else cells

    @override
    def put_cells(self, seq: int, runs: Sequence[Cells], end: int, state: State | None, via: int) -> None:
        pos = self.target.position(seq)
        self._feed([seq])
        self.target.put_cells(seq, runs, end, state, via)
        parts = [run.parts[MTP] for run in runs if MTP in run.parts]
        try:
            data = np.concatenate(joined(parts)) if parts else _NOTHING
        except StateError:
            data = _NOTHING
        has_cells = len(data) > 0 and self._mtp.put_cells(seq, data, pos, self.target.position(seq), via)
        self._restored(seq, state, has_cells=has_cells)

    @override
    def put_state(self, seq: int, state: State) -> None:
        self.target.put_state(seq, state)
        row = self._row_of(state)
        if row is not None:
            self._tails[seq].reset(state.n_tokens, row)

    @override
    def cut(self, cells: Cells, end: int, start: int | None = None) -> Cells:
        return self.target.cut(cells, end, start)

    @override
    def sampler(self, params: SamplingParams, prompt: Tokens, mask: Mask | None = None) -> Sampler:
        return self.target.sampler(params, prompt, mask)

    @override
    def is_eog(self, token: int) -> bool:
        return self.target.is_eog(token)

    def _forget(self, seq: int) -> None:
        self._mtp.drop(seq)
        self._tails[seq] = HiddenTail(self._mtp.n_embd)

    def _saved(self, seq: int, *, partial: bool) -> Bytes:
        """The hidden row of the last token, and, unless partial, all cells; nothing if the row is not known."""
        row = self._tails[seq].row(self.target.length(seq))
        if row is None:
            return _NOTHING
        if partial:
            return row.view(np.uint8)
        self._tails[seq].truncate(self.target.length(seq))
        self._feed([seq])
        self._mtp.cut(seq, self.target.position(seq))
        return np.concatenate([row.view(np.uint8), self._mtp.cells(seq)])

    def _restored(self, seq: int, state: State | None, *, has_cells: bool) -> None:
        """A sequence has come from host memory, perhaps with what was saved of the draft context."""
        tail, n_tokens = self._tails[seq], self.target.length(seq)
        n_fed = n_tokens if has_cells else tail.n_fed
        tail.reset(n_tokens, self._row_of(state) if state is not None and state.n_tokens == n_tokens else None)
        tail.n_fed = min(n_fed, n_tokens)

    def _row_of(self, state: State | None) -> Rows | None:
        data = _NOTHING if state is None else state.parts.get(MTP, _NOTHING)[: self._n_bytes_row]
        return data.view(np.float32) if len(data) == self._n_bytes_row else None

    def _feed(self, seqs: Iterable[int]) -> None:
        """Let the draft context read what it lacks of some sequences; what it has no room for, it will never have."""
        n = self._mtp.n_batch
        for seq in seqs:
            tail = self._tails[seq]
            if not (tail.n_unfed and tail.is_of_use):
                continue
            start, tokens, rows = tail.unfed()
            pos = self._position(seq, start)
            try:
                is_read = all(
                    self._mtp.read([Piece(seq, pos + i, tokens[i : i + n], rows[i : i + n])])
                    for i in range(0, len(tokens), n)
                )
            except EngineError:
                log.exception("the layers for drafting could not read")
                is_read = False
            if is_read:
                tail.fed()
            else:
                tail.reset(tail.end)

    def _last(self, wanted: GuessRequest) -> Piece:
        """What the draft context has to read to guess what comes next: what it lacks, and the path's last token."""
        start, tokens, rows = self._tails[wanted.seq].unfed(int(wanted.path[-1]))
        return Piece(wanted.seq, self._position(wanted.seq, start), tokens, rows, wants_logits=True)

    def _position(self, seq: int, n_tokens: int) -> int:
        """The position after a sequence's first tokens, behind all images; the sequence may not have read them yet."""
        return self.target.position(seq) + n_tokens - self.target.length(seq)
