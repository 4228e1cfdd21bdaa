"""What drafted replies leave behind: saved slots, branches out of a reply, choices, and replies that were cancelled."""

from collections.abc import Iterator
from contextlib import closing
from typing import Final

import pytest

from segue.engine.sampling import SamplingParams
from segue.loop.end import EndReason
from tests.kit.conversation import text
from tests.kit.drafted import BY_HISTORY, BY_MODELS, Drafted
from tests.kit.holding import held
from tests.kit.reference import Reference
from tests.kit.rig import Heard, Rig

_SUBJECTS: Final = BY_HISTORY | BY_MODELS
_USUAL: Final = ("gemma3 by history", "qwen35-mtp-agrees")
_PROMPT: Final = text(1, 150).tolist()
_N_REPLY: Final = 40


@pytest.fixture(
    scope="module",
    params=[name if name in _USUAL else pytest.param(name, marks=pytest.mark.long) for name in _SUBJECTS],
)
def subject(request: pytest.FixtureRequest) -> Drafted:
    """Each model with each way to draft for it."""
    return _SUBJECTS[request.param]


@pytest.fixture(scope="module")
def reference(subject: Drafted) -> Iterator[Reference]:
    """What the model says without drafts when nothing is cached."""
    with closing(Reference(subject.path)) as reference:
        yield reference


@pytest.fixture
def rig(subject: Drafted) -> Iterator[Rig]:
    """A server with drafts, which has replied to the prompt once, so that its history knows the reply."""
    with closing(subject.rig()) as rig:
        rig.ask(_PROMPT, _N_REPLY, id_slot=0)
        yield rig


def test_a_slot_is_saved_and_restored_elsewhere(subject: Drafted, rig: Rig, reference: Reference) -> None:
    path = _PROMPT + rig.ask(_PROMPT, _N_REPLY, id_slot=0).tokens + text(2, 20).tolist()
    path += rig.ask(path, _N_REPLY, id_slot=0).tokens
    snapshot = rig.loop.save_slot(0, "").result()
    assert snapshot is not None
    path += text(3, 20).tolist()
    with closing(subject.rig()) as fresh:
        fresh.loop.restore_slot(0, "", snapshot.arrays()).result()
        fresh.check()
        heard = fresh.ask(path, _N_REPLY)
        assert heard.n_read == 21
        reference.agrees(path, heard)
        again = fresh.ask(path, _N_REPLY)
        assert again.tokens == heard.tokens
        assert fresh.loop.totals.n_drafted > 0


def test_paths_branch_off_inside_a_reply(rig: Rig, reference: Reference) -> None:
    reply = rig.ask(_PROMPT, _N_REPLY).tokens
    assert rig.loop.totals.n_drafted > 0
    for n in (1, 7, 18, 33):
        path = _PROMPT + reply[:n] + text(n, 9).tolist()
        reference.agrees(path, rig.ask(path, _N_REPLY))


def test_choices_of_one_prompt_are_drafted_at_once(rig: Rig, reference: Reference) -> None:
    samplings = [SamplingParams(seed=seed, temperature=0.8, ignore_eos=True) for seed in range(4)]
    with held(rig.loop):
        choices = [rig.send(_PROMPT, _N_REPLY, sampling=sampling) for sampling in samplings]
    for heard, sampling in zip(choices, samplings, strict=True):
        assert heard.wait().reason is EndReason.LIMIT
        reference.agrees(_PROMPT, heard, sampling)
        rig.check()


def test_a_reply_cancelled_among_verified_drafts_leaves_what_it_has_read(rig: Rig, reference: Reference) -> None:
    n_drafted = rig.loop.totals.n_drafted
    for n in range(2, 20, 3):
        heard = Heard()

        def cancel(heard: Heard = heard, n: int = n) -> None:
            if len(heard.tokens) == n and heard.submission is not None:
                heard.submission.cancel()

        heard.on_each = cancel
        with held(rig.loop):
            rig.send(_PROMPT, _N_REPLY, heard=heard)
            other = rig.send(_PROMPT[:90], 12)
        assert heard.wait().reason is EndReason.CANCELLED
        reference.agrees(_PROMPT, heard)
        other.wait()
        reference.agrees(_PROMPT[:90], other)
        rig.check()
        path = _PROMPT + heard.tokens + text(n, 5).tolist()
        reference.agrees(path, rig.ask(path, 12))
    assert rig.loop.totals.n_drafted > n_drafted
