"""Drafts with the model's own layers for multi-token prediction."""

import math
from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from segue.drafting.drafter import NO_DRAFT, Draft, Drafter, ReplyDrafter, Tokens, Wanted
from segue.engine import guesses
from segue.engine.mtp_engine import MtpEngine

_N_MOST: Final = 8
_PRIOR: Final = 0.7
_N_PRIOR: Final = 2.0
_DECAY: Final = 0.9
_LEAST: Final = 0.4
"""The least likely token to draft: the probability that it and all before it hold."""
_N_SKIPPED_MOST: Final = 32


class MtpDrafter(Drafter):
    """A Drafter over an engine whose model predicts several tokens."""

    def __init__(self, engine: MtpEngine) -> None:
        self._engine = engine

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        return _MtpReply()

    @override
    def prepare(self, wanted: Sequence[Wanted]) -> None:
        asked = [(one.reply, one, one.reply.n_wanted(one.n_most)) for one in wanted if isinstance(one.reply, _MtpReply)]
        asked = [(reply, one, n) for reply, one, n in asked if n]
        found = self._engine.guess([guesses.Wanted(one.seq, one.path, n) for _, one, n in asked])
        for (reply, _, _), guess in zip(asked, found, strict=True):
            reply.prepared = guess.tokens


class _MtpReply(ReplyDrafter):
    """Drafts as many tokens as are likely to hold, and for a while none once its drafts were not worth verifying."""

    def __init__(self) -> None:
        self.prepared: Sequence[int] = ()
        self._n_tried, self._n_held = _N_PRIOR, _N_PRIOR * _PRIOR
        self._n_skipped = self._n_to_skip = 0

    @property
    def _probability(self) -> float:
        return self._n_held / self._n_tried

    def n_wanted(self, n_most: int) -> int:
        """How many tokens to draft now."""
        self.prepared = ()
        if self._n_skipped < self._n_to_skip:
            self._n_skipped += 1
            return 0
        # Drafts that are not verified after all have cost time for nothing.
        self._n_skipped, self._n_to_skip = 0, min(_N_SKIPPED_MOST, 2 * self._n_to_skip + 1)
        return min(n_most, self._n_likely())

    def _n_likely(self) -> int:
        if self._probability <= _LEAST:
            return 1
        return min(_N_MOST, int(math.log(_LEAST) / math.log(self._probability))) if self._probability < 1 else _N_MOST

    @override
    def propose(self, n_most: int) -> Draft:
        tokens = self.prepared[:n_most]
        return Draft(tokens, self._probability) if tokens else NO_DRAFT

    @override
    def accept(self, token: int) -> None:
        """What was drafted is compared with the path."""

    @override
    def verified(self, n_drafted: int, n_accepted: int) -> None:
        self._n_to_skip = 0
        self._n_tried = _DECAY * self._n_tried + n_accepted + (n_accepted < n_drafted)
        self._n_held = _DECAY * self._n_held + n_accepted
