"""Replies with drafts equal those without, on every kind of memory, and so does what is kept of them."""

from collections.abc import Iterator

import numpy as np
import pytest

from segue.drafting.drafter import Tokens
from segue.engine.sampling import SamplingParams
from tests.kit.guesser import Guesser
from tests.kit.models import MODELS, model_path
from tests.kit.rig import GREEDY, Rig

SEEDED = SamplingParams(seed=7, temperature=1.0, repeat_penalty=1.1, ignore_eos=True)
_N_REPLY = 48


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    """Each tiny model."""
    return str(request.param)


@pytest.fixture
def plain(name: str) -> Iterator[Rig]:
    """A server without drafts."""
    rig = Rig(model_path(name))
    yield rig
    rig.end()
    rig.close_engine()


def _prompt(seed: int, n: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(10, 200, n)]


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED], ids=["greedy", "seeded"])
def test_replies_are_the_same_with_drafts(name: str, plain: Rig, sampling: SamplingParams) -> None:
    prompts = [_prompt(seed, 40 + 30 * seed) for seed in range(4)]
    replies = {len(prompt): plain.ask(prompt, _N_REPLY, sampling=sampling).tokens for prompt in prompts}

    def known(prompt: Tokens) -> list[int]:
        return replies.get(len(prompt), [])

    guesser = Guesser(known, 0.7)
    rig = Rig(model_path(name), drafter=guesser)
    try:
        for prompt in prompts:
            assert rig.ask(prompt, _N_REPLY, sampling=sampling).tokens == replies[len(prompt)]
        heard = [rig.send([*prompt, 5], 20, sampling=sampling) for prompt in prompts]
        again = [rig.send(prompt, _N_REPLY, sampling=sampling) for prompt in prompts]
        for one in heard + again:
            one.wait()
        for one, prompt in zip(again, prompts, strict=True):
            assert one.tokens == replies[len(prompt)]
        # What is kept at a reply's end is what is kept there without drafts.
        prompt = prompts[2]
        path = prompt + replies[len(prompt)] + _prompt(9, 20)
        assert rig.ask(path).n_read == plain.ask(path).n_read == 21
        assert rig.ask(path).tokens == plain.ask(path).tokens
        assert 0 < guesser.n_accepted < guesser.n_drafted
        rig.end()
    finally:
        rig.close_engine()
