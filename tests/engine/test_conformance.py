"""The simulated engine and the real one keep the same promises, on every kind of memory and every tiny model."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from gguf import GGUFReader

from segue.engine.base import LAST_ROW, Chunk, Embeddings, Engine, Tokens
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.devices import list_devices
from segue.engine.errors import EngineError
from segue.engine.libllama import has_gpu
from segue.engine.measurement import measure
from segue.engine.model import Model, ModelParams
from segue.engine.mtp_engine import MTP, MtpEngine
from segue.engine.state import MODEL, State
from segue.memory import MemoryKind, MemoryTraits
from tests.engine.conformance.noise import noise
from tests.engine.conformance.subject import N_BATCH, N_CELLS, N_ROWS, N_SEQ, text
from tests.engine.conformance.suite import EngineConformance
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.models import ENGINE_MODELS, model_path
from tests.kit.mtp_models import mtp_path, open_mtp
from tests.kit.rig import EXACT
from tests.kit.toy_draft import DRAFT, DraftingEngine
from tests.kit.toy_memory import ToyMemory

E = TypeVar("E", bound=Engine)
_N_NOISES = 3
"""How many times the noise that was measured may be found: only a few cuts and places are tried for it."""
_IN_16_BITS = ", 16 bits"


@pytest.fixture(scope="module")
def noise_of() -> Callable[[Engine], float]:
    """The noise of an engine on this device, measured once."""
    known: dict[Engine, float] = {}

    def measured(engine: Engine) -> float:
        if engine not in known:
            known[engine] = noise(emptied(engine))
        return known[engine]

    return measured


@pytest.mark.parametrize("kind", [*MemoryKind, pytest.param(ToyMemory(), id="toy")])
class TestFakeEngine(EngineConformance):
    """Simulated memory, of each kind that models have and of one that none has."""

    @pytest.fixture
    def engine(self, kind: MemoryTraits) -> FakeEngine:
        return FakeEngine(kind, n_rows=N_ROWS, n_cells=N_CELLS, n_seq_max=N_SEQ, n_batch=N_BATCH, n_ubatch=N_BATCH)

    @pytest.fixture
    def apart(self, kind: MemoryTraits) -> FakeEngine:
        sizes = {"n_cells": N_CELLS, "n_seq_max": N_SEQ, "n_batch": N_BATCH, "n_ubatch": N_BATCH}
        return FakeEngine(kind, is_unified=False, **sizes)

    def failing(self, engine: Engine, seq: int) -> list[Chunk]:
        assert isinstance(engine, FakeEngine)
        engine.failures.append(EngineError("failed"))
        return [Chunk(seq, np.zeros(1, np.int32), LAST_ROW)]

    def spoilt(self, engine: Engine, state: State) -> State:
        assert isinstance(engine, FakeEngine)
        engine.refuses_states = True
        return state


class TestDraftingEngine(TestFakeEngine):
    """Simulated memory with a second context that has read some of the tokens."""

    names = frozenset({MODEL, DRAFT})
    lacks_cells = True

    @pytest.fixture
    def engine(self, kind: MemoryTraits) -> FakeEngine:
        sizes = {"n_cells": N_CELLS, "n_seq_max": N_SEQ, "n_batch": N_BATCH, "n_ubatch": N_BATCH}
        return DraftingEngine(kind, n_rows=N_ROWS, **sizes)

    @pytest.fixture
    def apart(self, kind: MemoryTraits) -> FakeEngine:
        sizes = {"n_cells": N_CELLS, "n_seq_max": N_SEQ, "n_batch": N_BATCH, "n_ubatch": N_BATCH}
        return DraftingEngine(kind, is_unified=False, **sizes)

    def assert_same(self, engine: Engine, seq: int, other: int) -> None:
        assert isinstance(engine, DraftingEngine)
        assert engine.drafts[seq].cells == engine.drafts[other].cells
        super().assert_same(engine, seq, other)


@pytest.fixture(scope="module", params=[*ENGINE_MODELS, *(f"{name}{_IN_16_BITS}" for name in ("llama", "lfm2-window"))])
def contexts(request: pytest.FixtureRequest) -> Iterator[dict[bool, Context]]:
    """Contexts of a model, by whether they are unified; all tests share them."""
    name = request.param.removesuffix(_IN_16_BITS)
    options = EXACT if name == request.param else EXACT | {"flash_attention": "on", "type_k": "f16", "type_v": "f16"}
    if options is not EXACT and any("llvmpipe" in device.description for device in list_devices()):
        pytest.skip("Mesa's software driver can crash with flash attention")
    model = Model(model_path(name))
    params = ContextParams(
        n_cells=N_CELLS, n_seq_max=N_SEQ, n_batch=N_BATCH, n_ubatch=N_BATCH, n_rows=N_ROWS, **options
    )
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

    @pytest.fixture(autouse=True)
    def allow_for_noise(self, contexts: dict[bool, Context], noise_of: Callable[[Engine], float]) -> None:
        if has_gpu() or contexts[True]._params.flash_attention == "on":
            self.close = max(self.close, _N_NOISES * noise_of(contexts[True]))

    @pytest.fixture
    def engine(self, contexts: dict[bool, Context]) -> Context:
        return emptied(contexts[True])

    @pytest.fixture
    def apart(self, contexts: dict[bool, Context]) -> Context:
        return emptied(contexts[False])

    def test_embeddings_of_tokens_are_the_tokens(self, engine: Context) -> None:
        tokens = text(1, 50)
        embeddings = token_embeddings(engine.model.path, tokens)
        rows = engine.decode([Chunk(0, tokens, LAST_ROW)])[0]
        wanted = engine.logits(rows[0]).copy()
        rows = engine.decode([Chunk(1, embeddings, LAST_ROW)])[0]
        self.assert_close(engine.logits(rows[0]).copy(), wanted)
        self.assert_same(engine, 0, 1)

    def failing(self, engine: Engine, seq: int) -> list[Chunk]:
        return [Chunk(seq, np.array([1, engine.n_vocab], np.int32), LAST_ROW)]

    def spoilt(self, engine: Engine, state: State) -> State:
        assert engine.n_vocab
        return replace(state, parts={**state.parts, MODEL: state.parts[MODEL][:-8]})


# In a model whose guesses hold, hardly anything depends on what was read before.
@pytest.fixture(scope="module", params=["qwen35-mtp", "qwen35moe-mtp"])
def mtp_engines(request: pytest.FixtureRequest) -> Iterator[dict[bool, MtpEngine]]:
    """Engines of a model with layers for further tokens, by whether they are unified; all tests share them."""
    model = Model(mtp_path(request.param), ModelParams(loads_mtp=True))
    params = ContextParams(n_cells=N_CELLS, n_seq_max=N_SEQ, n_batch=N_BATCH, n_ubatch=N_BATCH, n_rows=N_ROWS, **EXACT)
    found = {is_unified: open_mtp(model, replace(params, is_unified=is_unified)) for is_unified in (True, False)}
    yield found
    for engine in found.values():
        engine.close()
    model.close()


class TestMtpEngine(EngineConformance):
    """libllama, with a second context for the layers that guess further tokens."""

    close = 1e-4
    names = frozenset({MODEL, MTP})

    @pytest.fixture(autouse=True)
    def allow_for_noise(self, mtp_engines: dict[bool, MtpEngine], noise_of: Callable[[Engine], float]) -> None:
        if has_gpu():
            self.close = max(self.close, _N_NOISES * noise_of(mtp_engines[True]))

    @pytest.fixture
    def engine(self, mtp_engines: dict[bool, MtpEngine]) -> MtpEngine:
        return emptied(mtp_engines[True])

    @pytest.fixture
    def apart(self, mtp_engines: dict[bool, MtpEngine]) -> MtpEngine:
        return emptied(mtp_engines[False])

    def failing(self, engine: Engine, seq: int) -> list[Chunk]:
        return [Chunk(seq, np.array([1, engine.n_vocab], np.int32), LAST_ROW)]

    def spoilt(self, engine: Engine, state: State) -> State:
        assert engine.n_vocab
        return replace(state, parts={**state.parts, MODEL: state.parts[MODEL][:-8]})


def token_embeddings(path: Path, tokens: Tokens) -> Embeddings:
    """The rows of the file's table for these tokens, scaled where libllama scales what it looks up."""
    reader = GGUFReader(path)
    table = next(tensor.data for tensor in reader.tensors if tensor.name == "token_embd.weight")
    architecture = bytes(reader.fields["general.architecture"].parts[-1]).decode()
    rows: Embeddings = np.asarray(table[tokens], np.float32)
    return rows * np.float32(np.sqrt(rows.shape[1])) if architecture == "gemma3" else rows


def emptied(engine: E) -> E:
    for seq in range(N_SEQ):
        engine.drop(seq)
    return engine
