"""Simulated memory against libllama's own: whatever is done to both, they hold the same and refuse the same."""

import random
from collections.abc import Callable

import numpy as np
import pytest

from segue.engine.base import LAST_ROW, Chunk, Engine
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.errors import NoRoomError
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.state import State
from tests.kit.fake_engine.engine import FakeEngine
from tests.kit.models import MODELS, model_path

N_SEQ = 6
OPERATIONS = ("decode",) * 6 + ("copy", "copy_trimmed", "save", "load", "load", "borrow", "rewind", "drop")


class Pair:
    """A simulated and a real engine to which the same is done."""

    def __init__(self, name: str, model: Model, n_cells: int) -> None:
        params = ContextParams(n_cells=n_cells, n_seq_max=N_SEQ, n_batch=128, n_ubatch=128, n_threads=1)
        self.real = Context(model, params, measure(model, params))
        n_swa = MODELS[name].n_swa
        self.fake = FakeEngine(
            model.kind, n_cells=n_cells, n_seq_max=N_SEQ, n_batch=128, n_ubatch=128, n_swa=n_swa, n_pad=256
        )
        self.saved: list[tuple[State, State]] = []

    def do(self, what: Callable[[Engine], object]) -> list[object]:
        """The results of both, which either refuse or do it."""
        results: list[object] = []
        for engine in (self.fake, self.real):
            try:
                results.append(what(engine))
            except (NoRoomError, ValueError) as error:
                results.append(type(error))
        refused = [result for result in results if isinstance(result, type)]
        assert not refused or results == 2 * refused[:1], results
        return results

    def step(self, rng: random.Random) -> None:
        """Do anything that a cache or a loop might, and some things that they must not."""
        operation, src, dst = rng.choice(OPERATIONS), rng.randrange(N_SEQ), rng.randrange(N_SEQ)
        n_held = self.fake.length(src)
        if operation == "decode":
            seqs = rng.sample(range(4), rng.randint(1, 3))
            n_tokens = rng.choice((1, 1, 2, 30)) if len(seqs) > 1 else rng.randint(1, 128)
            chunks = [Chunk(seq, np.full(n_tokens, rng.randrange(3, 250), np.int32), LAST_ROW) for seq in seqs]
            self.do(lambda engine: engine.decode(chunks))
        elif operation in ("copy", "copy_trimmed") and src != dst:
            self.do(lambda engine: engine.copy(src, dst, trims_window=operation == "copy_trimmed"))
        elif operation == "save" and n_held:
            is_partial = rng.random() < 0.6
            fake, real = self.do(lambda engine: engine.save(src, partial=is_partial))
            if isinstance(fake, State) and isinstance(real, State):
                assert fake.n_tokens == real.n_tokens
                assert self.fake.span(src) == self.real.span(src)
                self.saved.append((fake, real))
        elif operation in ("load", "borrow") and self.saved and src != dst:
            states = rng.choice(self.saved)
            n_tokens = states[0].n_tokens if rng.random() < 0.8 else rng.randint(0, n_held + 1)
            self.drop(dst)
            if operation == "load":
                self.do(lambda engine: engine.load(states[engine is self.real], dst))
            else:
                self.do(lambda engine: engine.borrow(src, dst, n_tokens, states[engine is self.real]))
        elif operation == "rewind" and n_held:
            n_tokens = rng.choice((0, n_held - 1, n_held, n_held + 1, rng.randint(1, n_held)))
            self.do(lambda engine: engine.rewind(src, n_tokens))
        elif operation == "drop":
            self.drop(src)

    def drop(self, seq: int) -> None:
        self.fake.drop(seq)
        self.real.drop(seq)

    def check(self) -> None:
        for seq in range(N_SEQ):
            assert self.fake.length(seq) == self.real.length(seq)
            assert self.fake.span(seq) == self.real.span(seq)


@pytest.mark.parametrize("n_cells", [512, 1024])
@pytest.mark.parametrize("name", ["llama", "gemma3", "mamba2", "qwen35", "lfm2-window"])
def test_simulated_memory_does_as_libllama_does(name: str, n_cells: int) -> None:
    model = Model(model_path(name))
    for seed in range(12):
        rng = random.Random(seed)
        pair = Pair(name, model, n_cells)
        for _ in range(60):
            pair.step(rng)
            pair.check()
        pair.real.close()
    model.close()
