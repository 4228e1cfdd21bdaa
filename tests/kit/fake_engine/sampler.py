"""A sampler that takes the likeliest token."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segue.engine.base import NO_TOKEN, Logits, Mask
from segue.engine.sampling import SamplingParams
from tests.kit.fake_engine.numbers import N_VOCAB, greedy


class Sampled(Protocol):
    """What the sampler needs of its engine, which counts open samplers."""

    n_open_samplers: int

    def logits(self, row: int) -> Logits: ...


class FakeSampler:
    """Takes the likeliest token, whatever the other parameters ask; of those that its mask allows, if it has one."""

    def __init__(self, engine: Sampled, params: SamplingParams, mask: Mask | None = None) -> None:
        self._engine = engine
        self._mask = mask
        self._ignore_eos = params.ignore_eos
        self._is_open = True
        engine.n_open_samplers += 1

    def sample(self, row: int) -> int:
        return self.sample_from(self._engine.logits(row))

    def sample_from(self, logits: Logits) -> int:
        token = self._best(logits)
        if self._mask is not None and token != NO_TOKEN:
            self._mask.accept(token)
        return token

    def accept(self, token: int) -> None:
        assert self._is_open
        if self._mask is not None:
            self._mask.accept(token)

    def candidates(self, logits: Logits) -> tuple[NDArray[np.int32], Logits]:
        return np.array([self._best(logits)], np.int32), np.ones(1, np.float32)

    def _best(self, logits: Logits) -> int:
        assert self._is_open
        if self._mask is None:
            return greedy(logits, ignore_eos=self._ignore_eos)
        allowed = self._mask.choice().tokens(N_VOCAB)
        return int(allowed[np.argmax(logits[allowed])]) if len(allowed) else NO_TOKEN

    def close(self) -> None:
        assert self._is_open, "a sampler is closed once"
        self._is_open = False
        self._engine.n_open_samplers -= 1
