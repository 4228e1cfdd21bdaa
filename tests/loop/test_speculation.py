"""Drafts change how many calls a reply takes, and nothing else: on simulated memory of every kind."""

import pytest

from segue.memory import MemoryKind
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.guesser import Guesser
from tests.loop.fake_rig import FakeRig, Sizes, text

_N_REPLY = 60


def _guesser(kind: MemoryKind, share: float, seed: int = 1) -> Guesser:
    return Guesser(lambda prompt: expected_reply(kind, prompt.tolist(), 2 * _N_REPLY), share, seed=seed)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("kind", MemoryKind)
def test_a_reply_is_the_same_with_drafts(kind: MemoryKind, share: float) -> None:
    guesser = _guesser(kind, share)
    rig = FakeRig(kind, drafter=guesser)
    prompt = text(1, 50)
    first = rig.ask(prompt, _N_REPLY)
    assert guesser.n_drafted > 0
    assert (guesser.n_accepted > 0) == (share > 0)
    assert len(rig.engine.decoded) < 20 or share < 1
    # What is kept at the end of the reply is what is kept without drafts.
    assert rig.ask(prompt + first.tokens + text(2, 20), _N_REPLY).n_read == 21
    rig.close()


@pytest.mark.parametrize("kind", MemoryKind)
def test_replies_that_run_beside_each_other_are_the_same_with_drafts(kind: MemoryKind) -> None:
    rig = FakeRig(kind, Sizes(n_ctx=300, n_cells=2400), drafter=_guesser(kind, 0.7))
    prompts = [text(seed, 20 + 7 * seed) for seed in range(12)]
    with rig.held():
        heard = [rig.send(prompt, 10 + 9 * i) for i, prompt in enumerate(prompts)]
    for i, (one, prompt) in enumerate(zip(heard, prompts, strict=True)):
        one.wait()
        assert one.tokens == expected_reply(kind, prompt, 10 + 9 * i)
    rig.check()
    rig.close()
