"""Random requests with drafts, some at once: branches, choices, cancels, stops, seeds and full cells."""

import random
from dataclasses import dataclass, field
from typing import Final

import pytest

from segue.engine.sampling import SamplingParams
from segue.loop.end import EndReason
from segue.loop.totals import LoopTotals
from tests.kit.conversation import text
from tests.kit.drafted import BY_HISTORY, BY_MODELS
from tests.kit.holding import held
from tests.kit.reference import Reference
from tests.kit.rig import GREEDY, Heard, Rig

_N_CTX: Final = 384
_SIZES: Final = {
    "n_ctx": _N_CTX,
    "n_cells": 2 * _N_CTX,
    "n_parked": 4,
    "n_host_bytes": 300_000,
    "n_batch": 128,
    "n_ubatch": 128,
}
_SUBJECTS: Final = BY_HISTORY | BY_MODELS
_BY_CHANCE: Final = ("qwen35-mtp", "qwen35moe-mtp", "llama by qwen35", "qwen35 by llama")
"""Where drafts hardly ever hold."""
_SHORT: Final = ("gemma3 by history", "lfm2-window by history", "qwen35-mtp-agrees", "qwen35 by llama")


@dataclass(slots=True)
class Client:
    """Asks once; it may cancel in the middle of its reply, or stop there."""

    prompt: list[int]
    n_predict: int
    sampling: SamplingParams
    n_until_cancelled: int = 1 << 30
    heard: Heard = field(default_factory=Heard)

    def ask(self, rig: Rig) -> None:
        self.heard.on_each = self._on_each
        rig.send(self.prompt, self.n_predict, heard=self.heard, sampling=self.sampling, may_be_interrupted=True)

    def _on_each(self) -> None:
        if len(self.heard.tokens) >= self.n_until_cancelled and self.heard.submission is not None:
            self.heard.submission.cancel()

    def check(self, reference: Reference) -> None:
        """Assert that the reply is that of a server without drafts that has read nothing else, as long as it goes."""
        end = self.heard.wait()
        assert end.reason in (EndReason.LIMIT, EndReason.CANCELLED, EndReason.WORD), end.error
        reference.agrees(self.prompt, self.heard, self.sampling)
        if end.reason is EndReason.LIMIT and not end.truncated:
            n_left = _N_CTX - len(self.prompt)
            assert len(self.heard.tokens) == (n_left if self.n_predict < 0 else min(self.n_predict, n_left))


class Clients:
    """Makes up clients that go on from what is known, branch off from it, repeat it, or want several replies to it."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._known = [text(1, 60).tolist()]

    def some(self) -> list[Client]:
        """Clients that ask at once."""
        found: list[Client] = []
        for _ in range(self._rng.choice((1, 1, 2, 3, 5))):
            prompt, n_predict = self._prompt(), self._rng.choice((1, 12, 30, 60, 60, -1))
            if self._rng.random() < 0.15:
                # The choices of one request: they differ by their seeds.
                seed = self._rng.randrange(1000)
                found += [Client(prompt, n_predict, _seeded(seed + i)) for i in range(3)]
            else:
                sampling = GREEDY if self._rng.random() < 0.75 else _seeded(self._rng.randrange(1000))
                found.append(Client(prompt, n_predict, sampling))
        for client in found:
            behaviour, n_tokens = self._rng.random(), self._rng.randint(1, 25)
            if behaviour < 0.15:
                client.n_until_cancelled = n_tokens
            elif behaviour < 0.3:
                client.heard.stop_after = n_tokens
        return found

    def remember(self, clients: list[Client]) -> None:
        """Go on from what these have heard."""
        paths = [client.prompt + client.heard.tokens for client in clients]
        self._known = [*self._known, *(client.prompt for client in clients), *paths][-20:]

    def _prompt(self) -> list[int]:
        prompt = list(self._rng.choice(self._known))
        choice = self._rng.random()
        if 0.4 < choice < 0.6:
            prompt = prompt[: self._rng.randint(1, len(prompt))]
        if choice > 0.4:
            prompt += text(self._rng.randrange(12), self._rng.randint(1, 60)).tolist()
        if choice > 0.95:
            prompt += text(9, _N_CTX).tolist()
            return prompt[: _N_CTX - self._rng.randint(1, 20)]
        return prompt if len(prompt) < _N_CTX - 80 else prompt[: self._rng.randint(20, 200)]


def _seeded(seed: int) -> SamplingParams:
    return SamplingParams(seed=seed, temperature=1.0, repeat_penalty=1.1, ignore_eos=True)


def run(name: str, n_requests: int, seed: int) -> LoopTotals:
    """Serve random clients, and check each reply and then the whole cache; returns what the loop has done."""
    subject = _SUBJECTS[name]
    rig, reference, clients = subject.rig(**_SIZES), Reference(subject.path), Clients(seed)
    n_asked = 0
    while n_asked < n_requests:
        asked = clients.some()
        with held(rig.loop):
            for client in asked:
                client.ask(rig)
        for client in asked:
            client.check(reference)
            rig.check()
        clients.remember(asked)
        n_asked += len(asked)
    totals, n_evicted = rig.loop.totals, rig.cache.evictor.n_evicted
    print(f"{n_asked} requests: {totals.n_accepted} of {totals.n_drafted} drafts held; {n_evicted} evictions")
    assert totals.n_drafted > totals.n_accepted
    assert n_evicted > 0, "the budgets were meant to be too small"
    rig.close()
    reference.close()
    return totals


@pytest.mark.parametrize("name", _SHORT)
def test_random_requests_with_drafts(name: str) -> None:
    run(name, 16, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", _SUBJECTS)
def test_many_random_requests_with_drafts(name: str) -> None:
    totals = run(name, 250, seed=2)
    assert totals.n_accepted > 100 or name in _BY_CHANCE
