"""Replies into which tokens are forced: at the right places, through a mask and through suspension."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from segue.engine.base import Choice
from segue.engine.sampling import SamplingParams
from segue.loop.end import EndReason, ErrorType
from segue.loop.events import TokenOut
from tests.kit.fake_engine.numbers import END_OF_REPLY
from tests.kit.fake_engine.reading import expected_reply
from tests.kit.rig import Heard
from tests.loop.conftest import MakeFakeRig
from tests.loop.fake_rig import GREEDY, FakeRig, text


@dataclass
class Scripted:
    """Forces `tokens` as soon as the reply has `after` tokens, and follows the reply."""

    after: int
    tokens: tuple[int, ...]
    accepted: list[int] = field(default_factory=list)

    def forced(self) -> int | None:
        n = len(self.accepted) - self.after
        return self.tokens[n] if 0 <= n < len(self.tokens) else None

    def accept(self, token: int) -> None:
        self.accepted.append(token)


def expected(rig: FakeRig, prompt: list[int], forcer: Scripted, n_predict: int) -> list[int]:
    """The reply to a prompt, token by token, with the forced ones in their places."""
    reply: list[int] = []
    while len(reply) < n_predict:
        n = len(reply) - forcer.after
        is_forced = 0 <= n < len(forcer.tokens)
        reply += [forcer.tokens[n]] if is_forced else expected_reply(rig.kind, [*prompt, *reply], 1)
    return reply


@pytest.mark.parametrize("after", [0, 1, 5])
@pytest.mark.parametrize("n_probs", [0, 2])
def test_tokens_are_forced_in_their_places(make_fake_rig: MakeFakeRig, after: int, n_probs: int) -> None:
    rig = make_fake_rig()
    forcer = Scripted(after, (7, 8, 9))
    heard = rig.send(text(1, 30), 12, make_forcer=lambda: forcer, n_probs=n_probs)
    assert heard.wait().reason is EndReason.LIMIT
    assert heard.tokens == expected(rig, text(1, 30), forcer, 12)
    assert heard.tokens[after : after + 3] == [7, 8, 9]
    assert forcer.accepted == heard.tokens[:-1], "the last one needs no sequel"
    rig.check()


def test_what_was_forced_is_read_as_what_was_drawn(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    heard = rig.send(text(2, 40), 10, make_forcer=lambda: Scripted(4, (7, 8, 9)))
    heard.wait()
    new = text(3, 5)
    follow_up = rig.ask([*text(2, 40), *heard.tokens[:-1], *new])
    assert follow_up.n_read == len(new)


def test_each_reply_has_a_forcer_of_its_own(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    made: list[Scripted] = []

    def make() -> Scripted:
        made.append(Scripted(2, (5,)))
        return made[-1]

    with rig.held():
        replies = [rig.send(text(4, 30), 6, make_forcer=make) for _ in range(3)]
    for heard in replies:
        heard.wait()
        assert heard.tokens == expected(rig, text(4, 30), Scripted(2, (5,)), 6)
    assert len(made) == 3


def test_an_end_that_is_forced_ends_the_reply(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    heard = rig.send(text(5, 30), 20, make_forcer=lambda: Scripted(3, (END_OF_REPLY,)))
    assert heard.wait().reason is EndReason.EOS
    assert heard.tokens[3:] == [END_OF_REPLY]


def test_suspended_replies_go_on_where_they_were(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_cells=130, n_parked=2, n_ctx=130)
    scripts = [Scripted(after, (5, 6, 7)) for after in (10, 20, 30)]
    with rig.held():
        replies = [rig.send(text(10 + i, 30), 50, make_forcer=lambda i=i: scripts[i]) for i in range(len(scripts))]
    for i, heard in enumerate(replies):
        assert heard.wait().reason is EndReason.LIMIT
        assert heard.tokens == expected(rig, text(10 + i, 30), Scripted(scripts[i].after, (5, 6, 7)), 50)
    rig.check()


@dataclass
class Even:
    """A mask that allows even tokens, and remembers what it accepted."""

    accepted: list[int] = field(default_factory=list)

    def choice(self) -> Choice:
        return Choice(np.arange(0, END_OF_REPLY, 2))

    def accept(self, token: int) -> None:
        self.accepted.append(token)


def test_the_mask_follows_forced_tokens(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    mask = Even()
    heard = rig.send(text(6, 30), 9, make_mask=lambda: mask, make_forcer=lambda: Scripted(3, (7, 9)))
    heard.wait()
    assert mask.accepted == heard.tokens
    assert [token % 2 for token in heard.tokens] == [0, 0, 0, 1, 1, 0, 0, 0, 0]


def test_a_forcer_that_fails_ends_its_reply_alone(make_fake_rig: MakeFakeRig) -> None:
    class Broken(Scripted):
        def accept(self, token: int) -> None:
            raise RuntimeError(f"SECRET {token}")

    rig = make_fake_rig()
    with rig.held():
        failing = rig.send(text(7, 30), 9, make_forcer=lambda: Broken(3, (7,)))
        other = rig.send(text(8, 30), 9)
    error = failing.wait().error
    assert error is not None
    assert error.type is ErrorType.SERVER
    assert other.wait().reason is EndReason.LIMIT
    rig.check()


@dataclass
class Probabilities(Heard):
    """Hears the probabilities too."""

    heard: list[TokenOut] = field(default_factory=list)

    def on_token(self, token: TokenOut) -> bool:
        self.heard.append(token)
        return False


def test_probabilities_of_forced_tokens(make_fake_rig: MakeFakeRig) -> None:
    """Before sampling they are the model's own, after it a forced token is the only one."""
    rig = make_fake_rig()
    listeners = []
    for after_sampling in (False, True):
        heard = Probabilities()
        sampling = SamplingParams(temperature=GREEDY.temperature, ignore_eos=True)
        forcer = Scripted(1, (7,))
        rig.send(
            text(9, 30),
            3,
            heard=heard,
            n_probs=3,
            sampling=sampling,
            post_sampling_probs=after_sampling,
            make_forcer=lambda forcer=forcer: forcer,
        ).wait()
        listeners.append(heard.heard[1])
    before, after = listeners
    assert before.token == after.token == 7
    assert len(before.top) == 3
    assert before.logprob is not None
    assert before.logprob < before.top[0].logprob
    assert [(top.token, top.logprob) for top in after.top] == [(7, 0.0)]
    assert after.logprob == 0.0
