"""A request: one job on its way from prompt to reply."""

import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import numpy as np

from segue.cache.planner import Plan
from segue.cache.restoration import Restoration
from segue.engine.base import Sampler
from segue.loop.events import Timings
from segue.loop.front import Listener
from segue.loop.inbox import Submission
from segue.loop.job import Forcer, Job, Tokens
from segue.loop.reply_drafts import ReplyDrafts
from segue.policy.checkpoint_positions import Position
from segue.policy.reasons import CacheReport

NO_SEQ: Final = -1
_N_SPARE = 256


class Phase(Enum):
    """The phases of a request."""

    WAITING = auto()
    RESTORING = auto()
    PREFILL = auto()
    DECODE = auto()
    ENDED = auto()


@dataclass(slots=True, eq=False, kw_only=True)
class Request:
    """A job that has a slot. From RESTORING on it runs on sequence `seq` of the engine.

    `tokens` is the whole path so far; the sequence has read a prefix of it. `n_target` is where prefill ends: the end
    of the prompt, or the end of the reply so far if the request was preempted. Of the prompt, `n_cached` tokens were
    found in the cache and `n_read` were read, `n_read_before` of them before a preemption. `positions` are the
    checkpoint positions ahead. `wait` names the request that this one waits for, and how many tokens that one must have
    read, None for its end; `is_fetching`: it waits for the lower tier; `has_fetched`: it has waited for the lower tier.
    While RESTORING, `plan` is the start to which the sequence is restored. `digests` are those of the prompt's
    checkpoint positions, in reproducible mode only.
    """

    submission: Submission
    id_slot: int
    phase: Phase = Phase.WAITING
    seq: int = NO_SEQ
    n_tokens: int = 0
    n_target: int = 0
    n_cached: int = 0
    n_read: int = 0
    n_read_before: int = 0
    n_generated: int = 0
    positions: deque[Position] = field(default_factory=deque)
    digests: dict[int, int] | None = None
    plan: Plan | None = None
    restoration: Restoration | None = None
    wait: "tuple[Request, int | None] | None" = None
    is_fetching: bool = False
    has_fetched: bool = False
    sampler: Sampler | None = None
    forcer: Forcer | None = None
    drafts: ReplyDrafts | None = None
    report: CacheReport | None = None
    started: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    job: Job = field(init=False)
    _tokens: Tokens = field(init=False)

    def __post_init__(self) -> None:
        self.job = self.submission.job
        self.started = time.perf_counter()
        prompt = self.job.tokens
        self.n_tokens = self.n_target = len(prompt)
        self._tokens = np.empty(len(prompt) + _N_SPARE, np.int32)
        self._tokens[: len(prompt)] = prompt

    @property
    def id(self) -> int:
        """The number that names the job in the log; later jobs have higher ones."""
        return self.submission.id

    @property
    def listener(self) -> Listener:
        """The listener to the job's events."""
        return self.submission.listener

    @property
    def tokens(self) -> Tokens:
        """The path so far: the prompt and the generated tokens; a view."""
        return self._tokens[: self.n_tokens]

    def unread(self, n_read: int) -> Tokens:
        """The path so far from token `n_read` on; a view."""
        return self._tokens[n_read : self.n_tokens]

    def append(self, token: int) -> None:
        """Add a newly generated token to the path."""
        if self.n_tokens == len(self._tokens):
            self._tokens = np.concatenate([self._tokens, np.empty(self.n_tokens + _N_SPARE, np.int32)])
        self._tokens[self.n_tokens] = token
        self.n_tokens += 1
        self.n_generated += 1
        self.last_token = time.perf_counter()
        self.first_token = self.first_token or self.last_token

    def timings(self) -> Timings:
        """The timings of the request so far."""
        read_until = self.first_token or time.perf_counter()
        return Timings(
            cache_n=self.n_cached,
            prompt_n=self.n_read,
            prompt_ms=1000 * (read_until - self.started),
            predicted_n=self.n_generated,
            predicted_ms=1000 * (self.last_token - self.first_token),
            draft_n=self.drafts.n_drafted if self.drafts is not None else 0,
            draft_n_accepted=self.drafts.n_accepted if self.drafts is not None else 0,
        )

    def end(self) -> None:
        """Free the resources that the request holds besides its sequence."""
        self.phase, self.seq = Phase.ENDED, NO_SEQ
        if self.drafts is not None:
            self.drafts.drafter.close()
        self.wait = self.plan = self.restoration = self.drafts = None
        if self.sampler is not None:
            self.sampler.close()
            self.sampler = None
