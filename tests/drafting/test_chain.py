"""Of several drafters, the one whose draft saves most wins; a model is not asked where the history is sure."""

from collections.abc import Iterable

import numpy as np
import pytest
from typing_extensions import override

from segue.drafting.chain import ChainedDrafter
from segue.drafting.drafter import Draft, Drafter, DraftRequest, ReplyDrafter, Tokens
from segue.drafting.lengths import Worth
from segue.drafting.row_costs import RowCosts

_PATH = np.arange(5, dtype=np.int32)


class _Scripted(Drafter, ReplyDrafter):
    """Proposes a draft that is set."""

    def __init__(self, n: int, probability: float) -> None:
        self.draft = Draft(range(n), probability)
        self.n_asked = self.n_closed = 0
        self.n_accepted: list[int] = []
        self.followed: list[int] = []

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        return self

    @override
    def prepare(self, wanted: Iterable[DraftRequest], worth: Worth) -> None:
        replies = [one.reply for one in wanted]
        self.n_asked += len(replies)
        assert all(reply is self for reply in replies)

    @override
    def propose(self, n_most: int) -> Draft:
        return Draft(self.draft.tokens[:n_most], self.draft.probability)

    @override
    def accept(self, token: int) -> None:
        self.followed.append(token)

    @override
    def verified(self, n_drafted: int, n_accepted: int) -> None:
        self.n_accepted.append(n_accepted)

    @override
    def close(self) -> None:
        self.n_closed += 1


def _propose(first: _Scripted, second: _Scripted) -> tuple[ReplyDrafter, Draft]:
    chain = ChainedDrafter([first, second])
    reply = chain.begin("", _PATH, 0)
    chain.prepare([DraftRequest(reply, 0, _PATH, 10)], Worth(RowCosts(), 1, reads_again=False))
    return reply, reply.propose(10)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_the_draft_of_which_most_tokens_are_likely_to_hold_wins(is_reversed: bool) -> None:
    short, long = _Scripted(2, 0.9), _Scripted(6, 0.8)
    reply, draft = _propose(long, short) if is_reversed else _propose(short, long)
    assert len(draft.tokens) == 6
    reply.accept(3)
    reply.verified(6, 4)
    reply.close()
    assert (short.n_asked, long.n_asked) == (1, 1)
    assert (short.followed, long.followed) == ([3], [3])
    assert (short.n_closed, long.n_closed) == (1, 1)
    assert (short.n_accepted, long.n_accepted) == ([], [4])


def test_later_drafters_are_not_asked_where_the_first_is_sure() -> None:
    sure, model = _Scripted(8, 0.95), _Scripted(8, 0.99)
    reply, draft = _propose(sure, model)
    assert draft.probability == 0.95
    assert (sure.n_asked, model.n_asked) == (1, 0)
    reply.verified(8, 8)
    assert (sure.n_accepted, model.n_accepted) == ([8], [])


def test_nothing_is_proposed_where_no_drafter_has_anything() -> None:
    reply, draft = _propose(_Scripted(0, 0.9), _Scripted(0, 0.9))
    assert not draft.tokens
    reply.verified(0, 0)
