"""A drafter that knows what a reply will be, and is wrong as often as it is told to be."""

from collections.abc import Callable, Sequence

import numpy as np
from typing_extensions import override

from segue.drafting.drafter import Draft, Drafter, ReplyDrafter, Tokens

Reply = Callable[[Tokens], Sequence[int]]


class Guesser(Drafter):
    """Drafts from `reply`, the whole reply to a prompt; `share` of the tokens are right. Counts what was verified."""

    def __init__(self, reply: Reply, share: float, *, seed: int = 1, n_most: int = 7) -> None:
        self._reply = reply
        self._share = share
        self._rng = np.random.default_rng(seed)
        self._n_most = n_most
        self.n_drafted = self.n_accepted = 0

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        """Draft the reply to this prompt."""
        return _Guess(self, self._reply(prompt))

    def guess(self, rest: Sequence[int]) -> list[int]:
        """The next tokens of a reply, some of them wrong."""
        n = int(self._rng.integers(0, self._n_most + 1))
        return [token if self._rng.random() < self._share else token + 1 for token in rest[:n]]


class _Guess(ReplyDrafter):
    def __init__(self, guesser: Guesser, reply: Sequence[int]) -> None:
        self._guesser = guesser
        self._reply = reply
        self._n_followed = 0

    @override
    def propose(self, n_most: int) -> Draft:
        return Draft(self._guesser.guess(self._reply[self._n_followed :])[:n_most], 0.9)

    @override
    def accept(self, token: int) -> None:
        self._n_followed += 1

    @override
    def verified(self, n_drafted: int, n_accepted: int) -> None:
        self._guesser.n_drafted += n_drafted
        self._guesser.n_accepted += n_accepted
