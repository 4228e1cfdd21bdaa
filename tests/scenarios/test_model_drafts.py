"""Replies that a model drafts equal those without drafts, and so does what is kept of them."""

from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from segue.engine.mtp_context import MtpContext
from segue.engine.sampling import SamplingParams
from segue.engine.state import Bytes
from tests.kit.drafted import BY_MODELS, Drafted
from tests.kit.mtp_models import MtpRig, mtp_path
from tests.kit.reference import Reference
from tests.kit.rig import GREEDY, Rig

SEEDED = SamplingParams(seed=7, temperature=1.0, repeat_penalty=1.1, ignore_eos=True)
_N_REPLY = 48
_USUAL: Final = ("qwen35moe-mtp", "gemma3 by gemma3")


@pytest.fixture(params=[name if name in _USUAL else pytest.param(name, marks=pytest.mark.long) for name in BY_MODELS])
def subject(request: pytest.FixtureRequest) -> Drafted:
    """Each model with each model that drafts for it."""
    return BY_MODELS[request.param]


def _prompt(seed: int, n: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(10, 200, n)]


def test_replies_are_the_same_with_drafts(subject: Drafted) -> None:
    prompts = [_prompt(seed, 40 + 60 * seed) for seed in range(3)]
    with (
        closing(subject.rig()) as rig,
        closing(subject.plain()) as plain,
        closing(Reference(subject.path)) as reference,
    ):
        for sampling in (GREEDY, SEEDED):
            replies = []
            for prompt in prompts:
                heard = rig.ask(prompt, _N_REPLY, sampling=sampling)
                replies.append(plain.ask(prompt, _N_REPLY, sampling=sampling).tokens)
                assert heard.tokens == replies[-1]
                assert heard.end is not None
                assert heard.end.timings.draft_n > 0
            paths = prompts + [[*prompt, 5] for prompt in prompts]
            at_once = [rig.send(path, _N_REPLY, sampling=sampling) for path in paths]
            for path, one in zip(paths, at_once, strict=True):
                one.wait()
                reference.agrees(path, one, sampling)
        # What is kept at a reply's end is what is kept there without drafts.
        path = prompts[2] + replies[2] + _prompt(9, 20)
        assert rig.ask(path).n_read == plain.ask(path).n_read == 21
        assert rig.ask(path).tokens == plain.ask(path).tokens


@pytest.mark.parametrize(
    "name",
    [
        "qwen35-mtp-agrees",
        "llama by llama",
        pytest.param("qwen35 by qwen35", marks=pytest.mark.long),
        pytest.param("gemma3 by gemma3", marks=pytest.mark.long),
    ],
)
def test_good_drafts_save_calls_also_when_the_conversation_goes_on(name: str) -> None:
    path = _prompt(1, 200)
    with closing(BY_MODELS[name].rig()) as rig:
        for turn in range(3):
            n_calls = rig.loop.totals.n_calls
            heard = rig.ask(path, 100)
            assert heard.end is not None
            timings = heard.end.timings
            assert timings.draft_n_accepted >= 0.9 * timings.draft_n
            assert rig.loop.totals.n_calls - n_calls < 40
            path += heard.tokens + _prompt(turn, 20)


@pytest.mark.parametrize("n_parked", [0, 16], ids=["from the host", "from parked sequences"])
def test_what_drafts_comes_back_with_checkpoints(
    n_parked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also after a restart; and a server that cannot draft uses the same checkpoints."""
    n_put: list[bool] = []
    put_cells = MtpContext.put_cells

    def count(context: MtpContext, seq: int, data: Bytes, pos: int, pos_end: int, via: int) -> bool:
        n_put.append(put_cells(context, seq, data, pos, pos_end, via))
        return n_put[-1]

    monkeypatch.setattr(MtpContext, "put_cells", count)
    path = mtp_path("qwen35-mtp")
    text = _prompt(1, 300)
    with closing(MtpRig(path, n_parked=n_parked, cache_dir=tmp_path)) as rig:
        text += rig.ask(text, 40).tokens + _prompt(2, 20)
        assert rig.ask(text, 40).n_read == 21
        text += rig.ask(text, 40).tokens + _prompt(3, 20)
        rig.wait_until_stored()
    assert all(n_put)
    assert bool(n_put) == (n_parked == 0)
    n_put.clear()
    with closing(MtpRig(path, n_parked=n_parked, cache_dir=tmp_path)) as rig:
        again = rig.ask(text, 40)
        assert again.n_read == 21
        assert n_put
        assert all(n_put)
        rig.wait_until_stored()
    with closing(Rig(path, n_parked=n_parked, cache_dir=tmp_path)) as plain:
        found = plain.ask(text + again.tokens, 8)
        assert found.n_read <= 1
    with closing(Rig(path)) as plain:
        assert plain.ask(text, 40).tokens == again.tokens
        assert plain.ask(text + again.tokens, 8).tokens == found.tokens
