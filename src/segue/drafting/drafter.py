"""The contract of drafters, which propose the next tokens of replies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segue.drafting.lengths import Worth

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Draft:
    """Proposed tokens, the next one first, and how likely each is to hold if those before it do."""

    tokens: Sequence[int] = field(repr=False)
    probability: float = 0.0


NO_DRAFT = Draft(())


class ReplyDrafter(Protocol):
    """Drafts one reply. Belongs to the engine's thread."""

    def propose(self, n_most: int) -> Draft:
        """Up to `n_most` tokens that may come next."""

    def accept(self, token: int) -> None:
        """Follow the reply by one token, whether it was proposed or not."""

    def verified(self, n_drafted: int, n_accepted: int) -> None:
        """Of the last proposal, `n_drafted` tokens were verified; the first `n_accepted` of them held."""

    def close(self) -> None:
        """The reply has ended."""
        return


@dataclass(frozen=True, slots=True)
class DraftRequest:
    """Up to `n_most` tokens are wanted for a reply on sequence `seq`; `path` is the whole path so far.

    A trial wants all of them, whatever they are worth: drafts that failed before are tried again now and then.
    """

    reply: ReplyDrafter
    seq: int
    path: Tokens = field(repr=False)
    n_most: int
    is_trial: bool = False


class Drafter(Protocol):
    """Starts drafting replies. Belongs to the engine's thread."""

    @property
    def trial_s(self) -> float:
        """Seconds that the drafts of a trial take, until they can be verified; 0 if that is next to nothing."""
        return 0.0

    def begin(self, namespace: str, prompt: Tokens, n_known: int) -> ReplyDrafter:
        """Draft the reply to a prompt of a namespace, whose first `n_known` tokens earlier requests had as well."""

    def prepare(self, wanted: Iterable[DraftRequest], worth: Worth) -> None:  # noqa: ARG002
        """Get ready to propose for the replies of the next call: a model drafts for all of them at once."""
        return
