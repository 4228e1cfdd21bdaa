"""A job for the loop: token ids only, no text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from segue.drafting.limits import NO_LIMITS, DraftLimits
from segue.engine.base import MakeMask
from segue.engine.sampling import SamplingParams
from segue.policy.prompt_marks import PromptMarks

Tokens = NDArray[np.int32]


class Forcer(Protocol):
    """Decides where one reply must go on with a certain token. Belongs to the engine's thread.

    Any exception ends the reply.
    """

    def forced(self) -> int | None:
        """The token that must come next; None if it is to be drawn."""

    def accept(self, token: int) -> None:
        """Follow the reply by one token, forced or drawn, but for one that ends it."""


MakeForcer = Callable[[], Forcer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One prompt to read and one reply to generate.

    `n_predict`: the most tokens to generate; -1 until the context is full, 0 only reads (and so warms the cache).
    `namespace`: the part of the cache it uses; state never crosses namespaces. `session`: the client's name for the
    conversation of the request, empty for none. `id_slot`: the slot wanted, -1 for any. `use_cache`: False reads the
    whole prompt again, with the same checkpoint positions. `n_probs`: how many of the best tokens to report with each
    generated one, 0 for none (the sampled token's probability is then not reported either). `wants_timings`: report
    timings with each token and all progress too, not only at the end. `may_be_interrupted`: the client streams the
    reply, or stop strings end it, so the next prompt may continue from inside it. `draft_limits`: what may be drafted
    where the server drafts. `make_mask`: makes the mask that the
    reply must follow, None for none; it runs on the engine's thread, so it must be quick. `make_forcer`: makes the
    forcer of the reply under the same conditions.
    """

    tokens: Tokens
    sampling: SamplingParams
    marks: PromptMarks
    n_predict: int = -1
    namespace: str = ""
    session: str = ""
    id_slot: int = -1
    use_cache: bool = True
    n_probs: int = 0
    post_sampling_probs: bool = False
    wants_progress: bool = False
    wants_timings: bool = False
    may_be_interrupted: bool = False
    draft_limits: DraftLimits = NO_LIMITS
    make_mask: MakeMask | None = None
    make_forcer: MakeForcer | None = None
