"""Admits requests: decides where each starts, which other it waits for, and where its checkpoints are taken."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable

from segue.cache.planner import Plan
from segue.cache.restoration import Restoration
from segue.cache.state_cache import StateCache
from segue.common_prefix import n_equal
from segue.engine.base import Engine
from segue.loop.request import NO_SEQ, Phase, Request
from segue.policy.checkpoint_positions import Position, checkpoint_positions, n_positions_most
from segue.policy.reasons import explain
from segue.policy.reproducible_positions import positions_digests, reproducible_positions
from segue.prefix.checkpoint import Origin
from segue.prefix.match import damaged_upto, evicted_upto


class Admission:
    """Plans the start of requests. Belongs to the engine's thread."""

    def __init__(self, engine: Engine, cache: StateCache, *, is_reproducible: bool) -> None:
        self._engine = engine
        self._cache = cache
        self._is_reproducible = is_reproducible
        self._n_most_positions = n_positions_most(cache.n_host_states)

    def plan(self, request: Request, *, only_near: bool = False) -> Plan:
        """Find the start from which the request's path is read soonest, given the current cache."""
        job = request.job
        request.digests = (
            positions_digests(reproducible_positions(job.marks, request.n_target)) if self._is_reproducible else None
        )
        # A preempted reply knows its next token, so it can start from a state without logits, even at its very end.
        goes_on = request.n_generated > 0
        path = request.tokens[: request.n_target + goes_on]
        return self._cache.match(
            job.namespace,
            path,
            use_cache=job.use_cache or goes_on,
            reads_last=goes_on,
            digests=request.digests,
            only_near=only_near,
        )

    def follow(self, request: Request, plan: Plan, others: Iterable[Request]) -> tuple[Request, int] | None:
        """Let a request follow one that is reading tokens it needs too; returns that leader and how far to wait for it.

        The leader gets a checkpoint position where the two paths part. None if there is nobody to wait for.
        """
        if self._is_reproducible or not request.job.use_cache:
            return None
        best: tuple[Request, int] | None = None
        for other in others:
            if other.phase is not Phase.PREFILL or other.job.namespace != request.job.namespace:
                continue
            until = self._shared_until(request, other)
            if until > max(plan.n_start, self._engine.length(other.seq), best[1] if best else 0):
                best = (other, until)
                self._add_position(other, until)
        return best

    def save_shared(self, request: Request, plan: Plan, others: Iterable[Request]) -> bool:
        """With plain attention, save running requests whose tokens this one can start from; True if any was saved."""
        if not self._engine.shape.kind.rewinds or self._is_reproducible or not request.job.use_cache:
            return False
        found = False
        for other in others:
            if other.seq == NO_SEQ:
                continue
            read = other.tokens[: self._engine.length(other.seq)]
            is_same_namespace = other.job.namespace == request.job.namespace
            if is_same_namespace and n_equal(request.tokens[: request.n_target - 1], read) > plan.n_start:
                self._cache.save(other.seq, read, Origin.FORK)
                found = True
        return found

    def start(self, request: Request, plan: Plan, restoration: Restoration) -> None:
        """Set the checkpoint positions and the cache report of a request, whose sequence stands at the plan's start."""
        request.n_read_before = request.n_read - plan.n_start
        if request.report is None:
            request.n_cached = plan.n_start
            checkpoint = plan.restore.checkpoint if plan.restore else None
            rewinds = self._engine.shape.kind.rewinds
            source = restoration.source
            request.report = explain(
                request.n_target,
                plan.match.n_known if request.job.use_cache else 0,
                plan.n_start,
                evicted_upto=evicted_upto(plan.match, rewinds=rewinds),
                damaged_upto=damaged_upto(plan.match, rewinds=rewinds),
                needs_last=plan.needs_last,
                n_cheaper_to_read=plan.n_cheaper_to_read,
                n_not_fetched=plan.n_not_fetched,
                from_origin=checkpoint.origin.value if checkpoint else "",
                from_tier=self._cache.lower_name if request.has_fetched and source == "host" else source,
                from_age_s=restoration.age_s,
            )
        request.positions = deque(self._positions(request, plan))
        self._pin_again(request)

    def _pin_again(self, request: Request) -> None:
        """Renew the pins at the client's breakpoints, since each use restarts their time."""
        job = request.job
        for mark in job.marks.breakpoints:
            self._cache.pins.renew(job.namespace, request.tokens[: mark.end], mark.ttl_s)

    def _positions(self, request: Request, plan: Plan) -> tuple[Position, ...]:
        job, n_start, n_target = request.job, plan.n_start, request.n_target
        if self._is_reproducible:
            return tuple(one for one in reproducible_positions(job.marks, n_target) if one.n_tokens > n_start)
        if self._engine.shape.kind.rewinds:
            ends = sorted({mark.end for mark in job.marks.breakpoints if n_start < mark.end < n_target})
            breakpoints = tuple(Position(end, Origin.BREAKPOINT) for end in ends)
            return (*breakpoints, Position(n_target, Origin.PROMPT_END)) if n_target > n_start else ()
        boundaries = job.marks.boundaries
        return checkpoint_positions(
            job.marks,
            n_start,
            n_target,
            fork=self._fork(request, plan.match.n_known) if n_start < plan.match.n_known < n_target else None,
            expected=self._cache.sessions.record_boundaries(request.seq, job.namespace, job.session, boundaries),
            checkpoint_cost_tokens=self._cache.prices.checkpoint_tokens(self._engine.shape.n_bytes_state),
            n_most=self._n_most_positions,
        )

    def _fork(self, request: Request, n_known: int) -> int:
        """The checkpoint position for a prompt that forks at `n_known`: that token, or the start of its message.

        The header of a message is the same in every message, so a checkpoint after it would save no more. The prompt's
        generation suffix is such a header, and tells how long one is.
        """
        ends = request.job.marks.message_ends
        n_suffix = len(request.job.tokens) - ends[-1] if ends else 0
        before = bisect_right(ends, n_known)
        is_header = before > 0 and n_known - ends[before - 1] <= n_suffix
        return ends[before - 1] if is_header else n_known

    def _shared_until(self, request: Request, other: Request) -> int:
        """How many tokens the two paths share, up to where the follower could start."""
        n_shared = n_equal(request.tokens[: request.n_target], other.tokens[: other.n_target])
        if n_shared == request.n_target and other.n_target != n_shared:
            return n_shared - 1
        return n_shared

    def _add_position(self, leader: Request, n_tokens: int) -> None:
        if all(one.n_tokens != n_tokens for one in leader.positions):
            positions = (*leader.positions, Position(n_tokens, Origin.FORK))
            leader.positions = deque(sorted(positions, key=lambda one: one.n_tokens))
