"""Drafts with the model's own layers for multi-token prediction."""

from collections.abc import Sequence

from typing_extensions import override

from segue.drafting.drafter import Drafter, ReplyDrafter, Tokens, Wanted
from segue.drafting.paced import PacedReply, paced
from segue.engine import guesses
from segue.engine.mtp_engine import MtpEngine


class MtpDrafter(Drafter):
    """A Drafter over an engine whose model guesses further tokens."""

    def __init__(self, engine: MtpEngine) -> None:
        self._engine = engine

    @override
    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        return PacedReply()

    @override
    def prepare(self, wanted: Sequence[Wanted]) -> None:
        asked = paced(wanted)
        found = self._engine.guess([guesses.Wanted(one.seq, one.path, n) for _, one, n in asked])
        for (reply, _, _), guess in zip(asked, found, strict=True):
            reply.prepared = guess.tokens
