"""Saved states, whole and partial."""

import pytest

from segue.engine.base import Engine
from segue.engine.errors import NoRoomError, StateError
from tests.engine.conformance.subject import N_CELLS, N_SEQ, NOTHING, VIA, Subject, text


class States(Subject):
    """A state restores what was saved, or nothing."""

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
