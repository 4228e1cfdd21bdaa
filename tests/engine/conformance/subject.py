"""The engine under test, and how its logits are compared."""

from itertools import pairwise
from typing import ClassVar

import numpy as np

from segue.engine.base import LAST_ROW, Chunk, Embeddings, Engine, Logits, Tokens
from segue.engine.state import MODEL, Cells, State

N_SEQ = 6
N_CELLS = 1024
N_BATCH = 64
N_ROWS = 16
VIA = N_SEQ - 1
NOTHING = (-1, -1)


def text(seed: int, n: int) -> Tokens:
    """Tokens that every engine of the kit knows, the same for the same seed."""
    return np.random.default_rng(seed).integers(4, 30, n).astype(np.int32)


class Subject:
    """Needs the fixtures `engine`, whose sequences are empty, and `apart`, an engine whose cells are not unified.

    Both have `N_SEQ` sequences, `N_CELLS` cells, and read `N_BATCH` inputs with `N_ROWS` rows in a call.
    """

    close: float = 0.0
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
