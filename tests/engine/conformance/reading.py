"""Calls of `decode` that an engine carries out."""

import numpy as np
import pytest

from segue.engine.base import LAST_ROW, Chunk, Engine, Logits
from tests.engine.conformance.subject import Subject, text


class Reading(Subject):
    """Logits are those of each sequence's own path."""

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

    def test_logits_tell_paths_apart(self, engine: Engine) -> None:
        path = text(1, 50)
        logits = self.read(engine, 0, path)
        path[-2] = 33 - path[-2]
        assert not self.is_close(self.read(engine, 1, path), logits)
