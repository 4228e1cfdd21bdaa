"""The drafts of one reply by a model: they are made for all replies at once, before each call."""

from collections.abc import Sequence

from typing_extensions import override

from segue.drafting.drafter import NO_DRAFT, Draft, ReplyDrafter, Wanted
from segue.drafting.pace import Pace


class PacedReply(ReplyDrafter):
    """Proposes what was prepared, which a model drafted as its pace allowed."""

    def __init__(self) -> None:
        self.pace = Pace()
        self.prepared: Sequence[int] = ()

    @override
    def propose(self, n_most: int) -> Draft:
        tokens = self.prepared[:n_most]
        return Draft(tokens, self.pace.probability) if tokens else NO_DRAFT

    @override
    def accept(self, token: int) -> None:
        """Pass over it: the whole path comes with each request for drafts."""

    @override
    def verified(self, n_drafted: int, n_accepted: int) -> None:
        self.pace.verified(n_drafted, n_accepted)


def paced(wanted: Sequence[Wanted]) -> list[tuple[PacedReply, Wanted, int]]:
    """Those replies for which a model is to draft now, and how many tokens; of the others nothing is proposed."""
    found = []
    for one in wanted:
        assert isinstance(one.reply, PacedReply)
        one.reply.prepared = ()
        n = one.reply.pace.n_wanted(one.n_most)
        if n:
            found.append((one.reply, one, n))
    return found
