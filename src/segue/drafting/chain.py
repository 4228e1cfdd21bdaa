"""Several drafters: of what they propose for a reply, the draft wins of which most tokens are likely to hold."""

from collections.abc import Iterable, Sequence
from typing import Final

from typing_extensions import override

from segue.drafting.drafter import NO_DRAFT, Draft, Drafter, DraftRequest, ReplyDrafter, Tokens
from segue.drafting.lengths import Worth, n_held

_N_ENOUGH: Final = 4.0
"""Where so many tokens are likely to hold, further drafters are not asked."""


class ChainedDrafter(Drafter):
    """A Drafter over others, the cheapest first."""

    def __init__(self, drafters: Sequence[Drafter]) -> None:
        self._drafters = drafters

    @property
    @override
    def trial_s(self) -> float:
        return sum(drafter.trial_s for drafter in self._drafters)

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        return _ChainedReply([drafter.begin(namespace, prompt, n_known) for drafter in self._drafters])

    @override
    def prepare(self, wanted: Iterable[DraftRequest], worth: Worth) -> None:
        own = [(one, _own(one.reply)) for one in wanted]
        for _, reply in own:
            reply.clear()
        for i, drafter in enumerate(self._drafters):
            asked = [(one, reply) for one, reply in own if reply.n_expected < _N_ENOUGH]
            # A drafter that has nothing to get ready never looks at them.
            drafter.prepare((_passed_on(one, reply.replies[i]) for one, reply in asked), worth)
            for one, reply in asked:
                reply.ask(i, one.n_most)


class _ChainedReply(ReplyDrafter):
    """The drafts of one reply by each drafter; `n_expected` tokens of the best one are likely to hold."""

    def __init__(self, replies: Sequence[ReplyDrafter]) -> None:
        self.replies = replies
        self.clear()

    def clear(self) -> None:
        """Forget what was proposed."""
        self._best, self._winner, self.n_expected = NO_DRAFT, self.replies[0], 0.0

    def ask(self, i: int, n_most: int) -> None:
        """Ask one drafter."""
        draft = self.replies[i].propose(n_most)
        n = len(draft.tokens)
        n_expected = n_held(draft.probability, n)
        if n_expected > self.n_expected:
            self._best, self._winner, self.n_expected = draft, self.replies[i], n_expected

    @override
    def propose(self, n_most: int) -> Draft:
        return Draft(self._best.tokens[:n_most], self._best.probability)

    @override
    def accept(self, token: int) -> None:
        for reply in self.replies:
            reply.accept(token)

    @override
    def verified(self, n_drafted: int, n_accepted: int) -> None:
        self._winner.verified(n_drafted, n_accepted)

    @override
    def close(self) -> None:
        for reply in self.replies:
            reply.close()


def _passed_on(one: DraftRequest, reply: ReplyDrafter) -> DraftRequest:
    return DraftRequest(reply, one.seq, one.path, one.n_most, is_trial=one.is_trial)


def _own(reply: ReplyDrafter) -> _ChainedReply:
    assert isinstance(reply, _ChainedReply)
    return reply
