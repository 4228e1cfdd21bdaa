"""Marks in running sequences."""

import numpy as np
import pytest

from segue.engine.base import Chunk, Engine
from tests.engine.conformance.subject import NOTHING, Subject, text


class Marks(Subject):
    """A sequence is rolled back to exactly its mark."""

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
