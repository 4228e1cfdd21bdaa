"""A slot: one request on its way from prompt to reply."""

import time
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np

from segue.cache.planner import Plan
from segue.engine.base import Sampler
from segue.loop.inbox import Submission
from segue.loop.job import SlotView, Timings, Tokens
from segue.policy.placement import Cut
from segue.policy.reasons import CacheReport

NO_LANE = -1


class Phase(Enum):
    """What a slot is doing."""

    IDLE = auto()
    WAITING = auto()
    LOADING = auto()
    READING = auto()
    GENERATING = auto()


@dataclass(slots=True, eq=False)
class Slot:
    """One of the server's N places for a request. It has a lane, a sequence of the engine, while it runs.

    `tokens` are all those of the path so far; the lane has read the first of them. `n_target` is where reading ends:
    the prompt's end, or where the reply had got to when it had to give way. Of the prompt `n_cached` tokens were found
    and `n_read` read. `wait` names what a waiting slot waits for: another request, and how far that must have read,
    None for its end; `is_fetching` says that it waits for the disk, `has_fetched` that it did. `plan` is where a lane
    that is loading shall stand, and `home` where that comes from. `digests` are those of the prompt's cuts, in
    reproducible mode only. `last` is the path of the request before, with its scope.
    """

    id: int
    phase: Phase = Phase.IDLE
    submission: Submission | None = None
    lane: int = NO_LANE
    cuts: deque[Cut] = field(default_factory=deque)
    n_target: int = 0
    n_cached: int = 0
    n_read: int = 0
    n_read_before: int = 0
    n_generated: int = 0
    sampler: Sampler | None = None
    report: CacheReport | None = None
    wait: tuple[Submission, int | None] | None = None
    plan: Plan | None = None
    home: str = ""
    is_fetching: bool = False
    has_fetched: bool = False
    digests: dict[int, int] | None = None
    started: float = 0.0
    first_token: float = 0.0
    last_token: float = 0.0
    last: tuple[str, Tokens] = field(default_factory=lambda: ("", np.empty(0, np.int32)))
    _tokens: Tokens = field(default_factory=lambda: np.empty(0, np.int32))
    n_tokens: int = 0

    def begin(self, submission: Submission) -> None:
        """Take up a request; the slot was idle."""
        prompt = submission.job.tokens
        self.phase = Phase.WAITING
        self.n_tokens = self.n_target = len(prompt)
        self._tokens = np.empty(len(prompt) + 256, np.int32)
        self._tokens[: len(prompt)] = prompt
        self.n_cached = self.n_read = self.n_generated = 0
        self.report = self.wait = self.plan = None
        self.started = time.perf_counter()
        self.first_token = self.last_token = 0.0
        self.is_fetching = self.has_fetched = False
        # Last, since another thread that sees the request takes the counts for its own.
        self.submission = submission

    def clear(self) -> None:
        """Become idle, but remember the path."""
        if self.submission is not None:
            self.last = (self.submission.job.scope, self.tokens.copy())
        if self.sampler is not None:
            self.sampler.close()
        self.sampler = self.submission = self.wait = self.report = self.plan = None
        self.cuts.clear()
        self.lane = NO_LANE
        self.is_fetching = False
        self.phase = Phase.IDLE
        self._tokens = np.empty(0, np.int32)
        self.n_tokens = 0

    @property
    def tokens(self) -> Tokens:
        """The path so far, the prompt and what was generated; a view."""
        return self._tokens[: self.n_tokens]

    def unread(self, n_read: int) -> Tokens:
        """The path so far from token `n_read` on; a view."""
        return self._tokens[n_read : self.n_tokens]

    def append(self, token: int) -> None:
        """Add a token that was generated just now to the path."""
        if self.n_tokens == len(self._tokens):
            self._tokens = np.concatenate([self._tokens, np.empty(self.n_tokens + 256, np.int32)])
        self._tokens[self.n_tokens] = token
        self.n_tokens += 1
        self.n_generated += 1
        self.last_token = time.perf_counter()
        self.first_token = self.first_token or self.last_token

    def timings(self) -> Timings:
        """How the request has gone until now."""
        assert self.submission is not None
        read_until = self.first_token or time.perf_counter()
        return Timings(
            cache_n=self.n_cached,
            prompt_n=self.n_read,
            prompt_ms=1000 * (read_until - self.started),
            predicted_n=self.n_generated,
            predicted_ms=1000 * (self.last_token - self.first_token),
        )

    def view(self, n_ctx: int) -> SlotView:
        """What `/slots` shows; any thread, so the request may be gone the next moment."""
        submission = self.submission
        n_read, n_cached, n_generated = self.n_read, self.n_cached, self.n_generated
        # The counts may be those of a later request, which is in another scope perhaps.
        if submission is None or self.submission is not submission:
            return SlotView(self.id, "", submission is not None, -1, n_ctx, 0, 0, 0, 0)
        return SlotView(
            id=self.id,
            scope=submission.job.scope,
            is_processing=True,
            id_task=submission.id,
            n_ctx=n_ctx,
            n_prompt_tokens=len(submission.job.tokens),
            n_prompt_tokens_processed=n_read,
            n_prompt_tokens_cache=n_cached,
            n_decoded=n_generated,
        )
