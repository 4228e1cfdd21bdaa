"""Replies that follow a mask: each its own, through suspension, and no trace of it in what is cached."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from segue.engine.base import Choice
from segue.engine.errors import MaskError
from segue.loop.end import EndReason, ErrorType
from tests.kit.fake_engine.numbers import END_OF_REPLY, N_VOCAB
from tests.kit.rig import Heard
from tests.loop.conftest import MakeFakeRig
from tests.loop.fake_rig import text


@dataclass
class Counting:
    """Allows token n, the n-th time, from `first` to `last`; then the end, or nothing, or it fails."""

    first: int = 3
    last: int = 9
    at_end: str = "eos"
    accepted: list[int] = field(default_factory=list)

    def choice(self) -> Choice:
        token = self.first + len(self.accepted)
        if token <= self.last:
            return Choice(np.array([token % (N_VOCAB - 1)]))
        if self.at_end == "failure":
            raise MaskError("too much")
        return Choice(np.array([END_OF_REPLY] if self.at_end == "eos" else [], np.intp))

    def accept(self, token: int) -> None:
        assert token in self.choice().ids
        self.accepted.append(token)


def test_a_reply_follows_its_mask_to_the_end(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    heard = rig.send(text(1, 30), 100, make_mask=Counting)
    assert heard.wait().reason is EndReason.EOS
    assert heard.tokens == [*range(3, 10), END_OF_REPLY]
    cut_off = rig.send(text(1, 30), 3, make_mask=Counting)
    assert cut_off.wait().reason is EndReason.LIMIT
    assert cut_off.tokens == [3, 4, 5]
    rig.check()


@pytest.mark.parametrize("first", [3, 10])
def test_a_reply_ends_where_nothing_is_allowed(make_fake_rig: MakeFakeRig, first: int) -> None:
    rig = make_fake_rig()
    heard = rig.send(text(2, 30), 100, make_mask=lambda: Counting(first, at_end="nothing"))
    end = heard.wait()
    assert (end.reason, end.timings.predicted_n) == (EndReason.EOS, len(heard.tokens))
    assert heard.tokens == list(range(first, 10))
    rig.check()


@pytest.mark.parametrize("first", [3, 10])
def test_a_mask_that_fails_ends_its_reply_alone(make_fake_rig: MakeFakeRig, first: int) -> None:
    rig = make_fake_rig()
    with rig.held():
        failing = rig.send(text(3, 30), 100, make_mask=lambda: Counting(first, at_end="failure"))
        other = rig.send(text(4, 30), 20, make_mask=lambda: Counting(1, 100))
    error = failing.wait().error
    assert error is not None
    assert (error.type, error.message) == (ErrorType.INVALID_REQUEST, "too much")
    assert other.wait().reason is EndReason.LIMIT
    assert other.tokens == list(range(1, 21))
    rig.check()


def test_nothing_of_a_mask_is_cached(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    for prompt in (text(5, 30), text(6, 40)):
        rig.send(prompt, 4, make_mask=Counting, n_probs=3).wait()
        rig.ask(prompt, 4)
        masked = rig.send(prompt, 4, make_mask=Counting, n_probs=3)
        masked.wait()
        assert masked.tokens == [3, 4, 5, 6]
        rig.ask(prompt, 4)


def test_each_reply_has_a_mask_of_its_own(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    masks: list[Counting] = []

    def make() -> Counting:
        masks.append(Counting(3, 100))
        return masks[-1]

    with rig.held():
        asked = [rig.send(text(7, 30), 10 + i, make_mask=make) for i in range(3)]
    for i, heard in enumerate(asked):
        assert heard.wait().reason is EndReason.LIMIT
        assert heard.tokens == list(range(3, 13 + i))
    assert sorted(len(mask.accepted) for mask in masks) == [10, 11, 12]


def test_who_gives_way_goes_on_with_its_mask(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig(n_cells=120, n_ctx=100, n_parked=2)
    n_masks = 0

    def make() -> Counting:
        nonlocal n_masks
        n_masks += 1
        return Counting(1, 100)

    with rig.held():
        asked = [rig.send(text(8 + i, 30), 25, make_mask=make) for i in range(4)]
    for heard in asked:
        assert heard.wait().reason is EndReason.LIMIT
        assert heard.tokens == list(range(1, 26))
    assert n_masks == 4
    rig.check()


def test_who_is_cancelled_leaves_nothing(make_fake_rig: MakeFakeRig) -> None:
    rig = make_fake_rig()
    heard = Heard()

    def cancel() -> None:
        if len(heard.tokens) == 5 and heard.submission is not None:
            heard.submission.cancel()

    heard.on_each = cancel
    rig.send(text(20, 30), 50, heard=heard, make_mask=lambda: Counting(1, 100))
    assert heard.wait().reason is EndReason.CANCELLED
    rig.ask(text(20, 30), 4)
