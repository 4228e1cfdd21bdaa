"""Saved attention cells."""

import pytest

from segue.engine.base import Engine
from tests.engine.conformance.subject import N_SEQ, NOTHING, VIA, Subject, text


class SavedCells(Subject):
    """Cells restore what was saved, or nothing."""

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
