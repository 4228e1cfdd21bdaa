"""Calls that an engine refuses, or fails at."""

import pytest

from segue.engine.base import LAST_ROW, Chunk, Engine
from segue.engine.errors import EngineError, NoRoomError
from tests.engine.conformance.subject import N_BATCH, N_CELLS, N_ROWS, N_SEQ, NOTHING, VIA, Subject, text


class Refusals(Subject):
    """What is refused changes nothing."""

    def test_rows_out_of_place_are_refused(self, engine: Engine) -> None:
        for logits_for in ((20,), (-21,), (3, 3), (-1, 0), (5, 4), tuple(range(N_ROWS + 1))):
            with pytest.raises(ValueError, match="batch"):
                engine.decode([Chunk(0, text(1, 20), logits_for)])
        with pytest.raises(ValueError, match="batch"):
            engine.decode([Chunk(0, text(1, 1), (1,))])
        assert engine.length(0) == 0
        assert engine.n_rows_max == N_ROWS

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
