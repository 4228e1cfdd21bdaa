"""Paths whose positions differ from token counts."""

from dataclasses import replace

import numpy as np
import pytest

from segue.engine.base import LAST_ROW, Chunk, Engine
from segue.engine.positions import Positions
from tests.engine.conformance.subject import VIA, Subject, text


class PositionJumps(Subject):
    """Positions stay with a path, wherever it goes."""

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
