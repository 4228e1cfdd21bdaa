"""What every engine promises: subclass `EngineConformance` with the fixtures of one, and all of it is tested there."""

from dataclasses import replace
from itertools import pairwise
from typing import ClassVar, TypeVar

import numpy as np
import pytest

from segue.engine.base import LAST_ROW, Chunk, Embeddings, Engine, Logits, Tokens
from segue.engine.errors import EngineError, NoRoomError, StateError
from segue.engine.positions import Positions
from segue.engine.sampling import SamplingParams
from segue.engine.state import MODEL, Cells, State

N_SEQ = 6
N_CELLS = 1024
N_BATCH = 64
N_ROWS = 16
VIA = N_SEQ - 1
NOTHING = (-1, -1)
SECOND = "second"
Saved = TypeVar("Saved", State, Cells)
_GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)


def text(seed: int, n: int) -> Tokens:
    """Tokens that every engine of the kit knows, the same for the same seed."""
    return np.random.default_rng(seed).integers(4, 30, n).astype(np.int32)


class EngineConformance:
    """Needs the fixtures `engine`, whose sequences are empty, and `apart`, an engine whose cells are not unified.

    Both have `N_SEQ` sequences, `N_CELLS` cells, and read `N_BATCH` inputs with `N_ROWS` rows in a call.
    """

    close: ClassVar[float] = 0.0
    """How far logits may move, relative to the largest, when cells lie elsewhere or batches are cut elsewhere."""

    names: ClassVar[frozenset[str]] = frozenset({MODEL})
    """The parts of what is saved: one for each context that reads along."""

    lacks_cells: ClassVar[bool] = False
    """Whether a context has no cells of some tokens."""

    def embeddings(self, engine: Engine, tokens: Tokens) -> Embeddings:
        """Embeddings that the engine can read, others for other tokens."""
        return np.random.default_rng(tokens.tolist()).normal(size=(len(tokens), engine.n_embd)).astype(np.float32)

    def failing(self, engine: Engine, seq: int) -> list[Chunk]:
        """Chunks that the engine cannot decode, for `seq` alone; `decode` will raise EngineError at them."""
        raise NotImplementedError

    def spoilt(self, engine: Engine, state: State) -> State:
        """A state that the engine refuses, or the same one if the engine refuses all states from now on."""
        raise NotImplementedError

    def assert_same(self, engine: Engine, seq: int, other: int) -> None:
        """Assert that two sequences stand at the same place, and that both go on alike; they read on."""
        assert engine.length(seq) == engine.length(other)
        assert engine.position(seq) == engine.position(other)
        assert engine.span(seq)[1] == engine.span(other)[1]
        tail = text(99, 12)
        self.assert_close(self.read(engine, seq, tail), self.read(engine, other, tail))

    # Reading

    def test_decode_reads_on_from_where_each_sequence_stands(self, engine: Engine) -> None:
        a, b = text(1, 40), text(2, 30)
        rows = engine.decode([Chunk(0, a[:20]), Chunk(1, b[:10], LAST_ROW)])
        assert rows[0] == ()
        assert [engine.length(seq) for seq in range(3)] == [20, 10, 0]
        rows = engine.decode([Chunk(0, a[20:], LAST_ROW), Chunk(1, b[10:], LAST_ROW)])
        first, second = (engine.logits(row).copy() for (row,) in rows)
        assert first.shape == second.shape == (engine.n_vocab,)
        assert (engine.span(0)[1], engine.span(1)[1]) == (39, 29)
        self.assert_close(first, self.read(engine, 2, a))
        self.assert_close(second, self.read(engine, 3, b))

    def test_any_rows_of_a_chunk_can_be_asked_for(self, engine: Engine) -> None:
        a, b, c = text(1, 20), text(2, 10), text(3, 8)
        rows = engine.decode([Chunk(0, a, (0, 7, -1)), Chunk(1, b), Chunk(2, c, tuple(range(8)))])
        assert [len(found) for found in rows] == [3, 0, 8]
        found: dict[tuple[int, int], Logits] = {}
        for seq, at in ((0, (0, 7, 19)), (2, range(8))):
            found |= {(seq, i): engine.logits(row).copy() for i, row in zip(at, rows[seq], strict=True)}
        for (seq, i), logits in found.items():
            self.assert_close(logits, self.read(engine, 3, (a, b, c)[seq][: i + 1]))
            engine.drop(3)

    def test_rows_out_of_place_are_refused(self, engine: Engine) -> None:
        for logits_for in ((20,), (-21,), (3, 3), (-1, 0), (5, 4), tuple(range(N_ROWS + 1))):
            with pytest.raises(ValueError, match="batch"):
                engine.decode([Chunk(0, text(1, 20), logits_for)])
        with pytest.raises(ValueError, match="batch"):
            engine.decode([Chunk(0, text(1, 1), (1,))])
        assert engine.length(0) == 0
        assert engine.n_rows_max == N_ROWS

    def test_embeddings_are_read_as_tokens_are(self, engine: Engine) -> None:
        a, b, embeddings = text(1, 20), text(2, 10), self.embeddings(engine, text(3, 30))
        assert embeddings.shape == (30, engine.n_embd)
        for seq in (0, 1):
            self.read(engine, seq, a)
            rows = engine.decode([Chunk(seq, embeddings, (4, -1))])[0]
            assert len(rows) == 2
            assert engine.length(seq) == engine.position(seq) == 50
        self.read(engine, 2, np.append(a, text(4, 30)))
        state = engine.save(0, partial=False)
        engine.load(state, 3)
        tail = text(99, 12)
        logits = [self.read(engine, seq, tail) for seq in range(4)]
        self.assert_close(logits[1], logits[0])
        self.assert_close(logits[3], logits[0])
        assert not self.is_close(logits[2], logits[0])
        for chunks in ([Chunk(0, b), Chunk(1, embeddings)], [Chunk(0, embeddings[:, 1:])]):
            with pytest.raises(ValueError, match="batch"):
                engine.decode(chunks)
        self.assert_same(engine, 0, 1)

    def test_positions_jump_only_where_the_engine_says_so(self, engine: Engine) -> None:
        self.read(engine, 0, text(1, 20))
        self.read(engine, 1, text(1, 20))
        jump = Chunk(0, text(2, 5), LAST_ROW, Positions(np.arange(7, 12, dtype=np.int32), 12))
        if not engine.takes_positions:
            with pytest.raises(ValueError, match="positions"):
                engine.decode([jump])
            self.assert_same(engine, 0, 1)
            return
        for offsets, n_pos in (((0, 1, 2, 3), 5), ((0, 1, 2, 1, 4), 5), ((-1, 0, 1, 2, 3), 5), ((0, 1, 2, 3, 4), 4)):
            with pytest.raises(ValueError, match="offsets"):
                engine.decode([replace(jump, positions=Positions(np.array(offsets, np.int32), n_pos))])
        row = engine.decode([jump])[0][0]
        assert (engine.length(0), engine.position(0), engine.span(0)[1]) == (25, 32, 31)
        assert not self.is_close(engine.logits(row).copy(), self.read(engine, 1, text(2, 5)))

    @pytest.mark.parametrize("is_image", [False, True])
    def test_a_path_whose_positions_jump_is_kept_exactly(self, engine: Engine, is_image: bool) -> None:
        """Past a gap, or inputs that share their position: copied, saved, borrowed, stored in cells and rewound."""
        if not engine.takes_positions:
            pytest.skip("takes no positions")
        kind, end = engine.shape.kind, 80
        n_pos = 40 + (4 if is_image else 17)

        def go(seq: int, until: int = end) -> None:
            self.read(engine, seq, text(1, 30)[:until])
            if until > 30 and is_image:
                shared = Positions(np.zeros(10, np.int32), 4)
                engine.decode([Chunk(seq, self.embeddings(engine, text(2, 10)), (), shared)])
            elif until > 30:
                gap = Positions(np.arange(7, 17, dtype=np.int32)[: until - 30], min(17, until - 23))
                engine.decode([Chunk(seq, text(2, 10)[: until - 30], (), gap)])
            if until > 40:
                self.read(engine, seq, text(3, 40)[: until - 40])

        go(0)
        assert engine.length(0) == end
        assert engine.position(0) == n_pos + 30
        assert engine.span(0)[1] == n_pos + 29
        whole, part = engine.save(0, partial=False), self.part(engine, 0)
        mark = engine.mark(0, 4)
        self.read(engine, 0, text(5, 30))

        def check(seq: int, until: int = end) -> None:
            go(3, until)
            self.assert_same(engine, seq, 3)
            engine.drop(seq)
            engine.drop(3)

        engine.load(whole, 1)
        check(1)
        if kind.shares_cells:
            engine.borrow(0, 1, end, part)
            check(1)
            bounds = (0, 20, 30, 40, 60, end + 10)
            cells = self.saved_cells(engine, 0, *bounds)
            cells[-1] = engine.cut(cells[-1], end)
            joint = engine.save_cells(0, 0, end + 10, VIA)
            for parts in (cells, [engine.cut(joint, 40), engine.cut(joint, end, 40)]):
                for one in parts:
                    engine.put_cells(1, [one], one.end, part, VIA)
                if kind.has_window:
                    assert part is not None
                    engine.put_state(1, part)
                check(1)
            engine.put_cells(1, cells, end, part, VIA)
            engine.drop(1)
            if is_image:
                with pytest.raises(ValueError, match="belong together"):
                    engine.cut(joint, 35)
                with pytest.raises(ValueError, match="belong together"):
                    engine.save_cells(0, 0, 35, VIA)
            self.read(engine, 1, text(6, 20))
            with pytest.raises(ValueError, match="do not follow"):
                engine.put_cells(1, [joint], 18, part, VIA)
            self.read(engine, 1, text(6, 40))
            with pytest.raises(ValueError, match="do not follow"):
                engine.put_cells(1, [joint], end, part, VIA)
            engine.drop(1)
        engine.roll_back(0, mark)
        assert engine.position(0) == n_pos + 30
        engine.copy(0, 1)
        check(1)
        if kind.rewinds:
            for until in (75, 40, *(() if is_image else (35,)), 30, 12):
                engine.copy(0, 1)
                engine.rewind(1, until)
                check(1, until)
            if is_image:
                with pytest.raises(ValueError, match="belong together"):
                    engine.rewind(0, 35)
        check(0)
        engine.release(mark)

    def test_logits_tell_paths_apart(self, engine: Engine) -> None:
        path = text(1, 50)
        logits = self.read(engine, 0, path)
        path[-2] = 33 - path[-2]
        assert not self.is_close(self.read(engine, 1, path), logits)

    def test_a_batch_of_nothing_or_too_much_is_refused(self, engine: Engine) -> None:
        for chunks in (
            [],
            [Chunk(0, text(1, 0), LAST_ROW)],
            [Chunk(0, text(1, N_BATCH + 1), LAST_ROW)],
            [Chunk(0, text(1, N_BATCH), LAST_ROW), Chunk(1, text(1, 1), LAST_ROW)],
            [Chunk(0, text(1, 2), LAST_ROW), Chunk(0, text(1, 2), LAST_ROW)],
        ):
            with pytest.raises(ValueError, match="batch"):
                engine.decode(chunks)
        assert [engine.length(seq) for seq in range(N_SEQ)] == [0] * N_SEQ

    def test_ids_out_of_range_are_refused(self, engine: Engine) -> None:
        self.read(engine, 0, text(1, 20))
        state = engine.save(0, partial=False)
        for seq in (-1, N_SEQ):
            for call in (
                lambda seq=seq: engine.span(seq),
                lambda seq=seq: engine.decode([Chunk(seq, text(1, 2), LAST_ROW)]),
                lambda seq=seq: engine.copy(seq, 1),
                lambda seq=seq: engine.copy(0, seq),
                lambda seq=seq: engine.borrow(seq, 1, 10, None),
                lambda seq=seq: engine.rewind(seq, 10),
                lambda seq=seq: engine.drop(seq),
                lambda seq=seq: engine.state_bytes(seq, partial=False),
                lambda seq=seq: engine.save(seq, partial=False),
                lambda seq=seq: engine.load(state, seq),
                lambda seq=seq: engine.save_cells(seq, 0, 10, VIA),
                lambda seq=seq: engine.save_cells(0, 0, 10, seq),
            ):
                with pytest.raises(ValueError, match="ids run from 0 to 5"):
                    call()
        assert [engine.length(seq) for seq in range(N_SEQ)] == [20, *[0] * 5]

    def test_a_failed_call_empties_its_own_sequences_only(self, engine: Engine) -> None:
        a = text(1, 40)
        self.read(engine, 0, a[:20])
        self.read(engine, 1, a)
        with pytest.raises(EngineError):
            engine.decode(self.failing(engine, 1))
        assert [engine.length(seq) for seq in range(2)] == [20, 0]
        assert engine.span(1) == NOTHING
        self.assert_close(self.read(engine, 0, a[20:]), self.read(engine, 1, a))

    def test_full_cells_change_nothing(self, engine: Engine) -> None:
        if not engine.shape.kind.shares_cells:
            pytest.skip("has no cells that could be full")
        a = text(1, N_CELLS // 2 + 20)
        self.read(engine, 0, a[:-20])
        self.read(engine, 1, text(2, N_CELLS // 2 - 10))
        before = [(engine.length(seq), engine.span(seq)) for seq in range(N_SEQ)]
        for seq in (0, 2):
            with pytest.raises(NoRoomError):
                engine.decode([Chunk(seq, a[-20:], LAST_ROW)])
        assert [engine.length(seq) for seq in range(N_SEQ)] == [length for length, _ in before]
        if not engine.shape.kind.has_window:
            assert [engine.span(seq) for seq in range(N_SEQ)] == [span for _, span in before]
        engine.drop(1)
        logits = self.read(engine, 0, a[-20:])
        engine.drop(0)
        self.assert_close(self.read(engine, 3, a), logits)

    # Sequences

    def test_a_copy_stands_where_its_source_stands_and_goes_on_alone(self, engine: Engine) -> None:
        n = self.n_long(engine)
        a = text(1, n + 20)
        self.read(engine, 0, a[:n])
        logits = []
        for own_window in (False, True):
            engine.copy(0, 1, own_window=own_window)
            assert engine.length(1) == n
            assert engine.span(1)[1] == engine.span(0)[1]
            logits.append(self.read(engine, 1, a[n:]))
            engine.drop(1)
        engine.copy(0, 1, own_window=True)
        self.read(engine, 0, text(2, 30))
        engine.drop(0)
        logits.append(self.read(engine, 1, a[n:]))
        wanted = self.read(engine, 2, a)
        for found in logits:
            self.assert_close(found, wanted)

    def test_what_is_in_use_is_not_overwritten(self, engine: Engine) -> None:
        self.read(engine, 0, text(1, 20))
        self.read(engine, 1, text(2, 10))
        whole, part = engine.save(0, partial=False), self.part(engine, 0)
        for call in (
            lambda: engine.copy(0, 1),
            lambda: engine.load(whole, 1),
            lambda: engine.borrow(0, 1, 20, part),
            lambda: engine.save_cells(0, 0, 10, 1),
        ):
            with pytest.raises(ValueError, match="in use"):
                call()
        assert [engine.length(seq) for seq in range(2)] == [20, 10]

    def test_drop_frees_what_nobody_shares(self, engine: Engine) -> None:
        for seed in range(3):
            self.read(engine, 0, text(seed, N_CELLS - 8))
            engine.drop(0)
            assert engine.length(0) == 0
            assert engine.span(0) == NOTHING
        engine.drop(0)
        a = text(1, 60)
        self.read(engine, 0, a[:40])
        engine.copy(0, 1)
        engine.drop(0)
        self.assert_close(self.read(engine, 1, a[40:]), self.read(engine, 2, a))

    def test_a_tail_is_dropped_or_refused_as_the_traits_say(self, engine: Engine) -> None:
        kind, n = engine.shape.kind, self.n_long(engine)
        a, b = text(1, n), text(2, 20)
        self.read(engine, 0, a)
        for n_tokens in (0, n + 1):
            with pytest.raises(ValueError, match="holds"):
                engine.rewind(0, n_tokens)
        n_kept = n // 3
        if kind.has_recurrent:
            for n_tokens in (n_kept, n - 1):
                with pytest.raises(ValueError, match="no tail"):
                    engine.rewind(0, n_tokens)
        elif kind.has_window:
            # The window behind an early position is gone; that behind the last but one is still there.
            engine.copy(0, 1, own_window=True)
            with pytest.raises(ValueError, match="window"):
                engine.rewind(1, n_kept)
            assert engine.length(1) == n
            engine.drop(1)
            n_kept = n - 1
        assert engine.length(0) == n
        if not kind.has_recurrent:
            assert kind.rewinds != kind.has_window
            engine.rewind(0, n_kept)
            assert engine.length(0) == n_kept
            assert engine.span(0)[1] == n_kept - 1
            a = a[:n_kept]
        self.assert_close(self.read(engine, 0, b), self.read(engine, 2, np.append(a, b)))

    def test_nothing_of_a_tail_is_left_after_rolling_back(self, engine: Engine) -> None:
        n, shadow = self.n_long(engine), 4
        a, b = text(1, n), text(2, 20)
        self.read(engine, 0, a)
        mark = engine.mark(0, shadow)
        assert engine.length(0) == n
        assert mark.n_tokens == n
        logits = []
        for seed in (3, 4):
            self.read(engine, 0, text(seed, n))
            engine.roll_back(0, mark)
            assert engine.length(0) == n
            assert engine.span(0)[1] == n - 1
            logits.append(self.read(engine, 0, b))
            engine.roll_back(0, mark)
        assert np.array_equal(logits[0], logits[1])
        for token in text(5, 3):
            engine.decode([Chunk(0, np.array([token]))])
            engine.roll_back(0, mark)
        engine.release(mark)
        assert engine.length(shadow) == 0
        assert engine.span(shadow) == NOTHING
        self.assert_close(self.read(engine, 0, b), logits[0])
        self.assert_close(self.read(engine, 1, np.append(a, b)), logits[0])

    def test_a_mark_holds_while_others_read_and_where_its_sequence_moves(self, engine: Engine) -> None:
        a, b = text(1, 50), text(2, 20)
        self.read(engine, 0, a)
        mark = engine.mark(0, 4)
        self.read(engine, 0, text(3, 4))
        engine.copy(0, 2)
        engine.drop(0)
        self.read(engine, 0, text(4, 90))
        engine.roll_back(2, mark)
        engine.release(mark)
        assert [engine.length(seq) for seq in range(5)] == [90, 0, 50, 0, 0]
        self.assert_close(self.read(engine, 2, b), self.read(engine, 1, np.append(a, b)))

    def test_a_mark_needs_a_state_and_an_empty_shadow(self, engine: Engine, apart: Engine) -> None:
        self.read(engine, 0, text(1, 20))
        self.read(engine, 1, text(2, 20))
        with pytest.raises(ValueError, match="in use"):
            engine.mark(0, 1)
        with pytest.raises(ValueError, match="is empty"):
            engine.mark(2, 3)
        mark = engine.mark(0, 2)
        engine.release(mark)
        engine.drop(0)
        with pytest.raises(ValueError, match=r"was released|holds"):
            engine.roll_back(0, mark)
        self.read(apart, 0, text(1, 20))
        if apart.shape.kind.rewinds:
            mark = apart.mark(0, 1)
            self.read(apart, 0, text(2, 20))
            apart.roll_back(0, mark)
            assert apart.length(0) == 20
        else:
            with pytest.raises(ValueError, match="share nothing"):
                apart.mark(0, 1)

    # States

    def test_a_loaded_state_is_the_saved_one(self, engine: Engine) -> None:
        n = self.n_long(engine)
        a = text(1, n + 20)
        self.read(engine, 0, a[:n])
        state = engine.save(0, partial=False)
        assert state.n_bytes == engine.state_bytes(0, partial=False) > 0
        assert (state.n_tokens, state.is_partial) == (n, False)
        wanted = self.read(engine, 0, a[n:])
        engine.drop(0)
        for seq in (1, 2):
            engine.load(state, seq)
            assert engine.length(seq) == n
            assert engine.span(seq)[1] == n - 1
        logits = [self.read(engine, seq, a[n:]) for seq in (1, 2)]
        for found in logits:
            self.assert_close(found, wanted)

    def test_a_state_part_exists_where_the_traits_say_so(self, engine: Engine) -> None:
        kind = engine.shape.kind
        self.read(engine, 0, text(1, 50))
        if not kind.has_state_part:
            with pytest.raises(ValueError, match="no partial state"):
                engine.save(0, partial=True)
            return
        part = engine.save(0, partial=True)
        assert part.is_partial
        assert part.n_bytes == engine.state_bytes(0, partial=True)
        if kind.shares_cells:
            with pytest.raises(ValueError, match="borrow"):
                engine.load(part, 1)
        else:
            engine.load(part, 1)
            self.assert_close(self.read(engine, 0, text(2, 20)), self.read(engine, 1, text(2, 20)))

    def test_borrowed_cells_and_a_part_are_a_whole_state(self, engine: Engine) -> None:
        if not engine.shape.kind.shares_cells:
            pytest.skip("has no cells to borrow")
        n = self.n_long(engine)
        a = text(1, n + 20)
        self.read(engine, 0, a[:n])
        part = self.part(engine, 0)
        self.read(engine, 0, text(2, 30))
        engine.borrow(0, 1, n, part)
        assert engine.length(1) == n
        assert engine.span(1)[1] == n - 1
        engine.drop(0)
        self.assert_close(self.read(engine, 1, a[n:]), self.read(engine, 2, a))

    def test_cells_that_are_not_held_or_lack_their_part_are_not_borrowed(self, engine: Engine) -> None:
        kind = engine.shape.kind
        if not kind.shares_cells:
            pytest.skip("has no cells to borrow")
        self.read(engine, 0, text(1, 50))
        part = self.part(engine, 0)
        for src, n_tokens in ((2, 50), (0, 51), (0, 0)):
            with pytest.raises(ValueError, match="holds"):
                engine.borrow(src, 1, n_tokens, part)
        if kind.has_state_part:
            with pytest.raises(ValueError, match="without a state"):
                engine.borrow(0, 1, 50, None)
            for wrong, n_tokens in ((part, 49), (engine.save(0, partial=False), 50)):
                with pytest.raises(ValueError, match="does not belong"):
                    engine.borrow(0, 1, n_tokens, wrong)
        else:
            engine.borrow(0, 1, 30, None)
            assert (engine.length(1), engine.span(1)) == (30, (0, 29))
            engine.drop(1)
        assert engine.length(1) == 0
        assert engine.span(1) == NOTHING

    def test_a_state_that_does_not_fit_leaves_all_as_it_was(self, engine: Engine) -> None:
        if not engine.shape.kind.shares_cells:
            pytest.skip("has no cells that could be full")
        n = N_CELLS * 2 // 5
        a = text(1, n + 20)
        self.read(engine, 0, a[:n])
        state, cells, part = engine.save(0, partial=False), engine.save_cells(0, 0, n, VIA), self.part(engine, 0)
        engine.load(state, 1)
        with pytest.raises(NoRoomError):
            engine.load(state, 2)
        with pytest.raises(NoRoomError):
            engine.put_cells(2, [cells], n, part, VIA)
        with pytest.raises(NoRoomError):
            engine.put_cells(2, [cells], n - 50, part, VIA)
        assert [engine.length(seq) for seq in range(N_SEQ)] == [n, n, 0, 0, 0, 0]
        assert engine.span(2) == engine.span(VIA) == NOTHING
        first, second = (self.read(engine, seq, a[n:]) for seq in (0, 1))
        engine.drop(0)
        wanted = self.read(engine, 3, a)
        self.assert_close(first, wanted)
        self.assert_close(second, wanted)

    def test_a_state_that_is_refused_leaves_its_sequence_empty(self, engine: Engine) -> None:
        kind = engine.shape.kind
        a = text(1, 60)
        self.read(engine, 0, a[:40])
        whole, part = engine.save(0, partial=False), self.part(engine, 0)
        with pytest.raises(StateError):
            engine.load(self.spoilt(engine, whole), 1)
        if kind.shares_cells and part is not None:
            with pytest.raises(StateError):
                engine.borrow(0, 1, 40, self.spoilt(engine, part))
        assert [engine.length(seq) for seq in range(2)] == [40, 0]
        assert engine.span(1) == NOTHING
        self.assert_close(self.read(engine, 0, a[40:]), self.read(engine, 1, a))

    # Cells

    def test_cells_put_back_are_those_that_were_saved(self, engine: Engine) -> None:
        shape = engine.shape
        if not shape.kind.shares_cells:
            pytest.skip("has no cells")
        n = self.n_long(engine)
        a = text(1, n + 20)
        self.read(engine, 0, a[:n])
        part = self.part(engine, 0)
        self.read(engine, 0, text(2, 30))
        parts = self.saved_cells(engine, 0, 0, 20, 21, n + 10)
        assert engine.length(VIA) == 0
        assert engine.span(VIA) == NOTHING
        parts[-1] = engine.cut(parts[-1], n)
        for cells in (*parts, engine.save_cells(0, 21, n + 10, VIA)):
            n_bytes = shape.n_bytes_segment + (cells.end - cells.start) * shape.n_bytes_cell
            assert cells.n_bytes == n_bytes or (self.lacks_cells and cells.n_bytes < n_bytes)
        engine.drop(0)
        engine.put_cells(1, parts[:1], 20, part, VIA)
        assert engine.length(1) == 20
        engine.put_cells(1, parts[1:], n, part, VIA)
        engine.put_cells(2, [*parts[:2], engine.cut(parts[2], n, 21)], n, part, VIA)
        assert engine.span(VIA) == NOTHING
        for seq in (1, 2):
            if part is not None and shape.kind.has_window:
                engine.put_state(seq, part)
            assert engine.length(seq) == n
            assert engine.span(seq)[1] == n - 1
        logits = [self.read(engine, seq, a[n:]) for seq in (1, 2)]
        wanted = self.read(engine, 3, a)
        for found in logits:
            self.assert_close(found, wanted)

    def test_cells_out_of_place_are_refused(self, engine: Engine) -> None:
        if not engine.shape.kind.shares_cells:
            pytest.skip("has no cells")
        self.read(engine, 0, text(1, 50))
        part = self.part(engine, 0)
        for start, end in ((0, 51), (20, 20), (-1, 10)):
            with pytest.raises(ValueError, match="holds"):
                engine.save_cells(0, start, end, VIA)
        first, second = self.saved_cells(engine, 0, 0, 20, 50)
        for start, end in ((20, 51), (10, 40), (25, 25)):
            with pytest.raises(ValueError, match="do not contain those from"):
                engine.cut(second, end, start)
        for parts, end in (([second], 50), ([first], 21), ([first], 0)):
            with pytest.raises(ValueError, match="do not follow"):
                engine.put_cells(1, parts, end, part, VIA)
        with pytest.raises(ValueError, match="do not follow"):
            engine.put_cells(1, [first, first], 20, part, VIA)
        with pytest.raises(ValueError, match="without a state"):
            engine.put_cells(1, [first], 20, None if part is not None else engine.save(0, partial=False), VIA)
        assert [engine.length(seq) for seq in range(N_SEQ)] == [50, *[0] * 5]
        assert engine.span(1) == engine.span(VIA) == NOTHING

    # Parts

    def test_what_is_saved_has_a_part_for_each_context(self, engine: Engine) -> None:
        kind = engine.shape.kind
        self.read(engine, 0, text(1, 50))
        saved: list[State | Cells] = [engine.save(0, partial=False)]
        if kind.has_state_part:
            saved.append(engine.save(0, partial=True))
        if kind.shares_cells:
            saved.append(engine.save_cells(0, 10, 40, VIA))
        for one in saved:
            assert set(one.parts) == self.names
            assert one.n_bytes == sum(data.nbytes for data in one.parts.values())
            assert all(data.nbytes for data in one.parts.values())

    def test_parts_of_unknown_contexts_are_ignored(self, engine: Engine) -> None:
        kind = engine.shape.kind
        self.read(engine, 0, text(1, 50))
        whole, part = engine.save(0, partial=False), self.part(engine, 0)
        more = {"unknown": np.arange(9, dtype=np.uint8)}
        whole = replace(whole, parts={**more, **whole.parts})
        part = part and replace(part, parts={**more, **part.parts})
        engine.load(whole, 1)
        self.assert_same(engine, 0, 1)
        engine.drop(1)
        engine.drop(0)
        self.read(engine, 0, text(1, 50))
        if not kind.shares_cells:
            return
        engine.borrow(0, 1, 50, part)
        first, second = (replace(one, parts={**more, **one.parts}) for one in self.saved_cells(engine, 0, 0, 20, 50))
        engine.put_cells(2, [first, second], 50, part, VIA)
        if kind.has_window and part is not None:
            engine.put_state(2, part)
        self.assert_same(engine, 1, 2)

    def test_what_lacks_the_part_of_the_model_is_refused(self, engine: Engine) -> None:
        kind = engine.shape.kind
        self.read(engine, 0, text(1, 50))

        def without(saved: Saved) -> Saved:
            return replace(saved, parts={"unknown": saved.parts[MODEL]})

        whole, part = engine.save(0, partial=False), self.part(engine, 0)
        with pytest.raises(StateError, match="lacks the part 'model'"):
            engine.load(without(whole), 1)
        if kind.shares_cells:
            first, second = self.saved_cells(engine, 0, 0, 20, 50)
            for runs in ([without(first), second], [first, without(second)]):
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.put_cells(1, runs, 50, part, VIA)
            if part is not None:
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.borrow(0, 1, 50, without(part))
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.put_cells(1, [first, second], 50, without(part), VIA)
            if part is not None and kind.has_window:
                engine.put_cells(1, [first, second], 50, part, VIA)
                with pytest.raises(StateError, match="lacks the part 'model'"):
                    engine.put_state(1, without(part))
        assert [engine.length(seq) for seq in range(N_SEQ)] == [50, *[0] * 5]
        assert engine.span(1) == engine.span(VIA) == NOTHING

    def test_cells_are_cut_part_by_part(self, engine: Engine) -> None:
        """Another context has read some of the tokens; where it has read none, it has no part."""
        if not engine.shape.kind.shares_cells:
            pytest.skip("has no cells")
        self.read(engine, 0, text(1, 60))
        whole, some = engine.save_cells(0, 0, 60, VIA), engine.save_cells(0, 20, 40, VIA)
        cells = replace(whole, parts={**whole.parts, SECOND: some.parts[MODEL]})
        for start, end, has_some in (
            (0, 60, (20, 40)),
            (0, 30, (20, 30)),
            (25, 60, (25, 40)),
            (0, 20, None),
            (40, 60, None),
        ):
            found = engine.cut(cells, end, start)
            assert (found.start, found.end) == (start, end)
            wanted = {name: data for name, data in engine.cut(whole, end, start).parts.items() if name != SECOND}
            if has_some is not None:
                wanted[SECOND] = engine.save_cells(0, *has_some, VIA).parts[MODEL]
            assert found.parts.keys() == wanted.keys()
            assert all(np.array_equal(found.parts[name], wanted[name]) for name in wanted)

    # Sequences that are not unified

    def test_sequences_that_are_not_unified_share_nothing(self, apart: Engine) -> None:
        assert not apart.is_unified
        a = text(1, 60)
        self.read(apart, 0, a[:40])
        whole = apart.save(0, partial=False)
        for call in (
            lambda: apart.copy(0, 1),
            lambda: apart.borrow(0, 1, 40, self.part(apart, 0)),
            lambda: apart.save_cells(0, 0, 40, VIA),
            lambda: apart.put_cells(1, [Cells(whole.parts, 0, 40)], 40, self.part(apart, 0), VIA),
        ):
            with pytest.raises(ValueError, match="share nothing"):
                call()
        apart.load(whole, 1)
        self.assert_close(self.read(apart, 0, a[40:]), self.read(apart, 1, a[40:]))

    # Sampling

    def test_a_sampler_draws_from_a_row_as_from_its_logits(self, engine: Engine) -> None:
        row = engine.decode([Chunk(0, text(1, 20), LAST_ROW)])[0][0]
        logits = engine.logits(row).copy()
        sampler = engine.sampler(_GREEDY, text(1, 20))
        token = sampler.sample(row)
        assert token == sampler.sample_from(logits)
        assert not engine.is_eog(token)
        assert np.array_equal(engine.logits(row), logits)
        sampler.close()

    # Help

    @staticmethod
    def n_long(engine: Engine) -> int:
        """So many tokens that a window slides past the first ones."""
        return 60 + 2 * engine.shape.n_swa

    @staticmethod
    def read(engine: Engine, seq: int, tokens: Tokens) -> Logits:
        """Read tokens in as many calls as they take; the logits after the last."""
        row = -1
        for start in range(0, len(tokens), N_BATCH):
            row = engine.decode([Chunk(seq, tokens[start : start + N_BATCH], LAST_ROW)])[0][0]
        return engine.logits(row).copy()

    @staticmethod
    def part(engine: Engine, seq: int) -> State | None:
        """The part of a state that cannot be borrowed, if the memory has one."""
        return engine.save(seq, partial=True) if engine.shape.kind.has_state_part else None

    @staticmethod
    def saved_cells(engine: Engine, seq: int, *bounds: int) -> list[Cells]:
        """The cells of a sequence between each two bounds."""
        return [engine.save_cells(seq, start, end, VIA) for start, end in pairwise(bounds)]

    def is_close(self, found: Logits, wanted: Logits) -> bool:
        """Whether logits are the same but for noise."""
        return bool(np.abs(found - wanted).max() <= self.close * np.abs(wanted).max())

    def assert_close(self, found: Logits, wanted: Logits) -> None:
        """Assert that logits are the same but for noise."""
        assert np.isfinite(found).all()
        assert self.is_close(found, wanted), np.abs(found - wanted).max() / np.abs(wanted).max()
