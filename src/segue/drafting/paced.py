"""A drafter that is a model: it drafts for all replies at once before each call, as many tokens as are worth it."""

import time
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

from segue.drafting.drafter import NO_DRAFT, Draft, Drafter, DraftRequest, ReplyDrafter
from segue.drafting.lengths import Worth
from segue.drafting.pace import DraftPace, Held, held_in_all

_N_MOST: Final = 8
_PRIOR: Final = 0.75
_SHARE: Final = 0.1
_N_CALLS_RECKONED: Final = 16


class PacedReply(ReplyDrafter):
    """Proposes what was prepared."""

    def __init__(self, of_all: Held) -> None:
        self.pace = DraftPace(of_all)
        self.prepared: Sequence[int] = ()
        self._n_worth = self._n_calls_until_reckoned = 0

    def n_worth(self, n_most: int, worth: Worth, step_s: float) -> int:
        """How many drafts are worth it; reckoned anew once there is news, or after some calls, since it takes time."""
        if not self._n_calls_until_reckoned:
            self._n_calls_until_reckoned = _N_CALLS_RECKONED
            self._n_worth = worth.n_drafts(self.pace.probability, _N_MOST, step_s)
        self._n_calls_until_reckoned -= 1
        return min(n_most, self._n_worth)

    @override
    def propose(self, n_most: int) -> Draft:
        tokens = self.prepared[:n_most]
        return Draft(tokens, self.pace.probability) if tokens else NO_DRAFT

    @override
    def accept(self, token: int) -> None:
        """Ignore it: the whole path comes with each request for drafts."""

    @override
    def verified(self, n_drafted: int, n_accepted: int) -> None:
        self.pace.verified(n_drafted, n_accepted)
        self._n_calls_until_reckoned = 0


@dataclass(frozen=True, slots=True)
class PacedDraft:
    """A reply for which a model is to draft `n` tokens now."""

    reply: PacedReply
    wanted: DraftRequest
    n: int


class PacedDrafter(Drafter):
    """A Drafter that is a model. It measures what its own steps cost."""

    def __init__(self) -> None:
        self.of_all = held_in_all(_PRIOR)
        self._step_s = self._trial_s = 0.0

    @property
    @override
    def trial_s(self) -> float:
        return self._trial_s

    @override
    def prepare(self, wanted: Iterable[DraftRequest], worth: Worth) -> None:
        asked = []
        for one in wanted:
            assert isinstance(one.reply, PacedReply)
            one.reply.prepared = ()
            n_most = min(one.n_most, _N_MOST)
            n = n_most if one.is_trial else one.reply.n_worth(n_most, worth, self._step_s)
            if n:
                asked.append(PacedDraft(one.reply, one, n))
        if asked:
            started = time.perf_counter()
            n_steps = self.draft(asked)
            seconds = time.perf_counter() - started
            if n_steps:
                self._step_s = _mean(self._step_s, seconds / n_steps)
            if any(one.wanted.is_trial and one.reply.prepared for one in asked):
                # What was passed over meanwhile has to be read first.
                self._trial_s = _mean(self._trial_s, seconds)

    @abstractmethod
    def draft(self, asked: Sequence[PacedDraft]) -> int:
        """Draft for all replies at once; returns the number of calls that this took, 0 if they were no usual ones."""


def _mean(mean: float, seconds: float) -> float:
    """The running mean after one more measurement."""
    # One slow step, while something else ran, must not count for long.
    return mean + _SHARE * (min(seconds, 2 * mean) - mean) if mean else seconds
