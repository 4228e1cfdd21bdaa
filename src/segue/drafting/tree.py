"""Drafts the tokens that followed the same tokens before, in any prompt or reply of the same namespace."""

from typing import Final

from typing_extensions import override

from segue.drafting.acceptance import Acceptance
from segue.drafting.drafter import NO_DRAFT, Draft, Drafter, ReplyDrafter, Tokens
from segue.drafting.history import History, Run, n_bytes_most

_N_TOKENS_MOST: Final = 1 << 20
N_BYTES_MOST: Final = n_bytes_most(_N_TOKENS_MOST)
"""What a TreeDrafter remembers at most."""
_N_OVERLAP: Final = 8


class TreeDrafter(Drafter):
    """A Drafter without a model: agents repeat what they have read, and what they wrote in like conversations."""

    def __init__(self, n_tokens_most: int = _N_TOKENS_MOST) -> None:
        self._history = History(n_tokens_most)

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        # A known prefix is not entered again, unless it is known from before the process started.
        start = max(0, n_known - _N_OVERLAP) if self._history.knows(namespace, prompt[:n_known]) else 0
        return _TreeReply(self._history, self._history.begin(namespace, prompt[start:]))


class _TreeReply(ReplyDrafter):
    def __init__(self, history: History, run: Run) -> None:
        self._history = history
        self._run = run
        self._acceptance = Acceptance()
        self._n_match = 0

    @override
    def propose(self, n_most: int) -> Draft:
        found = self._history.follow(self._run, n_most)
        if found is None:
            return NO_DRAFT
        self._n_match = found.n_match
        return Draft(found.tokens, self._acceptance.probability(found.n_match))

    @override
    def accept(self, token: int) -> None:
        self._history.append(self._run, token)

    @override
    def verified(self, n_drafted: int, n_accepted: int) -> None:
        self._acceptance.record(self._n_match, n_drafted, n_accepted)
