"""Replies that a model drafts equal those without drafts, and so does what is kept of them."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from segue.engine.mtp_context import MtpContext
from segue.engine.sampling import SamplingParams
from segue.engine.state import Bytes
from tests.kit.draft_model_rig import DraftModelRig
from tests.kit.models import model_path
from tests.kit.mtp_models import MTP_MODELS, MtpRig, mtp_path
from tests.kit.rig import GREEDY, Rig

SEEDED = SamplingParams(seed=7, temperature=1.0, repeat_penalty=1.1, ignore_eos=True)
_N_REPLY = 48
Make = Callable[[], Rig]
_MAKERS: dict[str, tuple[Make, Make]] = {
    **{
        name: (partial(lambda name: Rig(mtp_path(name)), name), partial(lambda name: MtpRig(mtp_path(name)), name))
        for name in MTP_MODELS
    },
    **{
        f"{name} by {draft}": (
            partial(lambda name: Rig(model_path(name)), name),
            partial(lambda name, draft: DraftModelRig(model_path(name), model_path(draft)), name, draft),
        )
        for name, draft in (
            ("llama", "llama"),
            ("llama", "qwen35"),
            ("gemma3", "gemma3"),
            ("mamba2", "mamba2"),
            ("qwen35", "qwen35"),
            ("qwen35", "llama"),
            ("lfm2-window", "lfm2-window"),
        )
    },
}
"""Servers without and with drafts: by layers of the model's own, by a model that is the same, or by another one."""


@pytest.fixture(params=_MAKERS)
def makers(request: pytest.FixtureRequest) -> tuple[Make, Make]:
    """How to make a server without drafts, and one of the same model with them."""
    return _MAKERS[request.param]


@pytest.fixture
def plain(makers: tuple[Make, Make]) -> Iterator[Rig]:
    """A server without drafts."""
    rig = makers[0]()
    yield rig
    rig.close()


@pytest.fixture
def rig(makers: tuple[Make, Make]) -> Iterator[Rig]:
    """A server with drafts."""
    rig = makers[1]()
    yield rig
    rig.close()


def _prompt(seed: int, n: int) -> list[int]:
    return [int(token) for token in np.random.default_rng(seed).integers(10, 200, n)]


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED], ids=["greedy", "seeded"])
def test_replies_are_the_same_with_drafts(rig: Rig, plain: Rig, sampling: SamplingParams) -> None:
    prompts = [_prompt(seed, 40 + 60 * seed) for seed in range(4)]
    replies = [plain.ask(prompt, _N_REPLY, sampling=sampling).tokens for prompt in prompts]
    for prompt, reply in zip(prompts, replies, strict=True):
        heard = rig.ask(prompt, _N_REPLY, sampling=sampling)
        assert heard.tokens == reply
        assert heard.end is not None
        assert heard.end.timings.draft_n > 0
    heard_at_once = [rig.send([*prompt, 5], 20, sampling=sampling) for prompt in prompts]
    again = [rig.send(prompt, _N_REPLY, sampling=sampling) for prompt in prompts]
    for one in heard_at_once + again:
        one.wait()
    assert [one.tokens for one in again] == replies
    # What is kept at a reply's end is what is kept there without drafts.
    path = prompts[2] + replies[2] + _prompt(9, 20)
    assert rig.ask(path).n_read == plain.ask(path).n_read == 21
    assert rig.ask(path).tokens == plain.ask(path).tokens


@pytest.mark.parametrize(
    "makers",
    [_MAKERS[name] for name in ("qwen35-mtp-agrees", "qwen35 by qwen35", "llama by llama", "gemma3 by gemma3")],
)
def test_good_drafts_save_calls_also_when_the_conversation_goes_on(rig: Rig) -> None:
    path = _prompt(1, 200)
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
