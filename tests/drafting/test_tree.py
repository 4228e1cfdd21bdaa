"""Drafts of what stood behind the same tokens before."""

import numpy as np

from segue.drafting.drafter import ReplyDrafter
from segue.drafting.tree import TreeDrafter

TEXT = np.arange(200, dtype=np.int32)


def _verify(drafts: ReplyDrafter, *, holds: bool) -> None:
    drafts.propose(4)
    drafts.verified(4, 4 if holds else 0)


def test_a_reply_is_drafted_from_earlier_prompts_and_replies() -> None:
    drafter = TreeDrafter(10_000)
    first = drafter.begin("a", TEXT[:100], 0)
    for token in (7000, 7001, 7002, 7003, 7004):
        first.accept(token)
    second = drafter.begin("a", TEXT[:100], 100)
    assert list(second.propose(3).tokens) == [7000, 7001, 7002]
    for token in (50, 51, 52):
        second.accept(token)
    assert list(second.propose(2).tokens) == [53, 54]
    assert second.propose(2).probability > 0.4


def test_a_prefix_is_entered_once_unless_nobody_has_entered_it() -> None:
    drafter = TreeDrafter(500)
    # Known from before the process started, say from the disk.
    drafter.begin("a", TEXT, 200)
    for n in range(5):
        drafter.begin("a", np.concatenate([TEXT, np.arange(1000 + 9 * n, 1009 + 9 * n, dtype=np.int32)]), 200)
    last = drafter.begin("a", np.array([11, 12, 13], np.int32), 0)
    # Six times the whole prompt would not fit.
    assert list(last.propose(2).tokens) == [14, 15]


def test_drafts_that_fail_are_less_likely_and_recover() -> None:
    reply = TreeDrafter(10_000).begin("a", np.concatenate([TEXT, TEXT[:60]]), 0)
    before = reply.propose(4).probability
    for _ in range(6):
        _verify(reply, holds=False)
    low = reply.propose(4).probability
    for _ in range(12):
        _verify(reply, holds=True)
    assert low < 0.4 < before
    assert reply.propose(4).probability > 0.85


def test_nothing_of_another_namespace_is_drafted() -> None:
    drafter = TreeDrafter(10_000)
    drafter.begin("a", TEXT, 0)
    assert not drafter.begin("b", TEXT[:50], 0).propose(5).tokens
