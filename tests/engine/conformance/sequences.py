"""Copying, rewinding and dropping sequences."""

import numpy as np
import pytest

from segue.engine.base import Engine
from segue.engine.state import Cells
from tests.engine.conformance.subject import N_CELLS, NOTHING, VIA, Subject, text


class Sequences(Subject):
    """Sequences share cells, and go on alone."""

    def test_a_copy_stands_where_its_source_stands_and_goes_on_alone(self, engine: Engine) -> None:
        n = self.n_long(engine)
        a = text(1, n + 20)
        self.read(engine, 0, a[:n])
        logits = []
        for trims_window in (False, True):
            engine.copy(0, 1, trims_window=trims_window)
            assert engine.length(1) == n
            assert engine.span(1)[1] == engine.span(0)[1]
            logits.append(self.read(engine, 1, a[n:]))
            engine.drop(1)
        engine.copy(0, 1, trims_window=True)
        self.read(engine, 0, text(2, 30))
        engine.drop(0)
        logits.append(self.read(engine, 1, a[n:]))
        wanted = self.read(engine, 2, a)
        for found in logits:
            self.assert_close(found, wanted)

    def test_a_trimmed_copy_pins_no_more_than_a_window(self, engine: Engine) -> None:
        if not engine.shape.kind.has_window:
            pytest.skip("has no window")
        n, n_parked = self.n_long(engine), 3
        tail, wanted = text(9, 20), []
        for seq in range(1, n_parked + 1):
            self.read(engine, 0, text(seq, n))
            engine.copy(0, seq, trims_window=True)
            engine.copy(0, VIA, trims_window=True)
            wanted.append(self.read(engine, VIA, tail))
            engine.drop(VIA)
        # The path exceeds the window's cache, unless cells that no token sees are used again.
        self.read(engine, 0, text(8, N_CELLS - n_parked * (n + len(tail))))
        engine.drop(0)
        for seq in range(1, n_parked + 1):
            self.assert_close(self.read(engine, seq, tail), wanted[seq - 1])

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
            engine.copy(0, 1, trims_window=True)
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
