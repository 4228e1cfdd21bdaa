"""A job: what other threads hand to the loop, as token ids only, no text."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segue.engine.base import MakeMask
from segue.engine.sampling import SamplingParams
from segue.policy.placement import PromptMarks

Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Job:
    """One prompt to read and one reply to generate.

    `n_predict`: tokens to generate at most; -1 until the context is full, 0 only reads (and so warms the cache).
    `namespace`: whose cache it uses; state never crosses namespaces. `session`: the client's name for what the request
    belongs to, empty for none. `id_slot`: the slot wanted, -1 for any. `use_cache`: False reads the whole prompt again,
    with the same checkpoint positions. `n_probs`: how many of the best tokens to report with each generated one, 0 for
    none (the sampled token's own is then not reported either). `wants_timings`: with each token and all progress too,
    not only at the end. `may_be_interrupted`: the client sees the reply grow, or stop strings end it, so the next
    prompt may go on from inside it. `make_mask`: makes what the reply must follow, on the engine's thread, so it has to
    be quick; None for nothing.
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
    make_mask: MakeMask | None = None
