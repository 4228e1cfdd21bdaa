"""Drafts with the model's own layers for multi-token prediction."""

from collections.abc import Sequence

from typing_extensions import override

from segue.drafting.drafter import ReplyDrafter, Tokens
from segue.drafting.paced import PacedDraft, PacedDrafter, PacedReply
from segue.engine.guesses import GuessRequest
from segue.engine.mtp_engine import MtpEngine


class MtpDrafter(PacedDrafter):
    """A Drafter over an engine whose model guesses further tokens."""

    def __init__(self, engine: MtpEngine) -> None:
        super().__init__()
        self._engine = engine

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        return PacedReply(self.of_all)

    @override
    def draft(self, asked: Sequence[PacedDraft]) -> int:
        found = self._engine.guess([GuessRequest(one.wanted.seq, one.wanted.path, one.n) for one in asked])
        for one, guess in zip(asked, found, strict=True):
            one.reply.prepared = guess.tokens
        return max(len(guess.tokens) for guess in found)
