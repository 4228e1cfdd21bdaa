"""The simulated engine and the real one keep the same promises, on every kind of memory and every tiny model."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from segue.engine.base import Blob, Chunk, Engine
from segue.engine.context import Context, ContextParams, measure
from segue.engine.errors import EngineError
from segue.engine.model import Model
from segue.memory import MemoryKind
from tests.engine.conformance import N_BATCH, N_CELLS, N_SEQ, EngineConformance
from tests.kit.fake_engine import FakeEngine
from tests.kit.models import MODELS, model_path
from tests.kit.rig import EXACT


@pytest.mark.parametrize("kind", MemoryKind)
class TestFakeEngine(EngineConformance):
    """Simulated memory."""

    @pytest.fixture
    def engine(self, kind: MemoryKind) -> FakeEngine:
        return FakeEngine(kind, n_cells=N_CELLS, n_seq_max=N_SEQ, n_batch=N_BATCH, n_ubatch=N_BATCH)

    @pytest.fixture
    def apart(self, kind: MemoryKind) -> FakeEngine:
        sizes = {"n_cells": N_CELLS, "n_seq_max": N_SEQ, "n_batch": N_BATCH, "n_ubatch": N_BATCH}
        return FakeEngine(kind, is_unified=False, **sizes)

    def failing(self, engine: Engine, seq: int) -> list[Chunk]:
        assert isinstance(engine, FakeEngine)
        engine.failures.append(EngineError("failed"))
        return [Chunk(seq, np.zeros(1, np.int32), wants_logits=True)]

    def spoilt(self, engine: Engine, blob: Blob) -> Blob:
        assert isinstance(engine, FakeEngine)
        engine.refuses_states = True
        return blob


@pytest.fixture(scope="module", params=list(MODELS))
def contexts(request: pytest.FixtureRequest) -> Iterator[dict[bool, Context]]:
    """Contexts of a model, by whether they are unified; all tests share them."""
    model = Model(model_path(request.param))
    params = ContextParams(n_cells=N_CELLS, n_seq_max=N_SEQ, n_batch=N_BATCH, n_ubatch=N_BATCH, **EXACT)
    shape = measure(model, params)
    found = {is_unified: Context(model, replace(params, is_unified=is_unified), shape) for is_unified in (True, False)}
    yield found
    for context in found.values():
        context.close()
    model.close()


class TestContext(EngineConformance):
    """libllama, with every tiny model."""

    # Gemma's norms magnify the noise of the order of sums; another path moves logits by a tenth and more.
    close = 1e-4

    @pytest.fixture
    def engine(self, contexts: dict[bool, Context]) -> Context:
        return emptied(contexts[True])

    @pytest.fixture
    def apart(self, contexts: dict[bool, Context]) -> Context:
        return emptied(contexts[False])

    def failing(self, engine: Engine, seq: int) -> list[Chunk]:
        return [Chunk(seq, np.array([1, engine.n_vocab], np.int32), wants_logits=True)]

    def spoilt(self, engine: Engine, blob: Blob) -> Blob:
        assert engine.n_vocab
        return replace(blob, data=blob.data[: len(blob.data) - 8])


def emptied(context: Context) -> Context:
    for seq in range(N_SEQ):
        context.drop(seq)
    return context
