"""Replies with drafts equal those without, on every kind of memory, and so does what is kept of them."""

from contextlib import closing

import numpy as np
import pytest

from segue.drafting.drafter import Tokens
from segue.engine.sampling import SamplingParams
from tests.kit.guesser import Guesser
from tests.kit.models import MODELS, model_path
from tests.kit.rig import GREEDY, Rig

SEEDED = SamplingParams(seed=7, temperature=1.0, repeat_penalty=1.1, ignore_eos=True)
_N_REPLY = 48


def _prompt(seed: int, n: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(10, 200, n)]


@pytest.mark.parametrize("name", MODELS)
def test_replies_are_the_same_with_drafts(name: str) -> None:
    prompts = [_prompt(seed, 40 + 30 * seed) for seed in range(4)]
    replies: dict[int, list[int]] = {}

    def known(prompt: Tokens) -> list[int]:
        return replies.get(len(prompt), [])

    guesser = Guesser(known, 0.7)
    with closing(Rig(model_path(name))) as plain, closing(Rig(model_path(name), drafter=guesser)) as rig:
        for sampling in (GREEDY, SEEDED):
            replies |= {len(prompt): plain.ask(prompt, _N_REPLY, sampling=sampling).tokens for prompt in prompts}
            n_drafted = guesser.n_drafted
            for prompt in prompts:
                assert rig.ask(prompt, _N_REPLY, sampling=sampling).tokens == known(np.array(prompt, np.int32))
            heard = [rig.send([*prompt, 5], 20, sampling=sampling) for prompt in prompts]
            again = [rig.send(prompt, _N_REPLY, sampling=sampling) for prompt in prompts]
            for one in heard + again:
                one.wait()
            for one, prompt in zip(again, prompts, strict=True):
                assert one.tokens == replies[len(prompt)]
            assert guesser.n_drafted > n_drafted
        # What is kept at a reply's end is what is kept there without drafts.
        path = prompts[2] + replies[len(prompts[2])] + _prompt(9, 20)
        assert rig.ask(path).n_read == plain.ask(path).n_read == 21
        assert rig.ask(path).tokens == plain.ask(path).tokens
        assert 0 < guesser.n_accepted < guesser.n_drafted
