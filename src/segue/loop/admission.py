"""Letting a request in: where it starts, what it waits for, where its reading is cut."""

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable

from segue.cache.planner import Plan
from segue.cache.state_cache import StateCache
from segue.loop.cost import CutCost
from segue.loop.inbox import Submission
from segue.loop.slot import NO_LANE, Phase, Slot
from segue.policy.placement import Cut, cuts, digests, n_cuts_most, stable_cuts
from segue.policy.reasons import explain
from segue.prefix.branch import n_equal
from segue.prefix.checkpoint import Origin
from segue.prefix.match import damaged_upto, evicted_upto


class Admission:
    """Plans the start of requests. Belongs to the engine's thread."""

    def __init__(self, cache: StateCache, cost: CutCost, *, is_reproducible: bool) -> None:
        self._cache = cache
        self._cost = cost
        self._is_reproducible = is_reproducible
        self._n_most_cuts = n_cuts_most(cache.host.budget.limit_bytes / max(1, cache.engine.shape.n_bytes_state))

    def plan(self, slot: Slot, *, only_near: bool = False) -> Plan:
        """Where the slot's path starts soonest, given all that is cached now."""
        assert slot.submission is not None
        job = slot.submission.job
        slot.digests = digests(stable_cuts(job.marks, slot.n_target)) if self._is_reproducible else None
        # A reply that gave way knows its next token: it can start from a state without logits, even from its very end.
        goes_on = slot.n_generated > 0
        path = slot.tokens[: slot.n_target + goes_on]
        return self._cache.plan(
            job.scope,
            path,
            use_cache=job.use_cache or goes_on,
            reads_last=goes_on,
            digests=slot.digests,
            only_near=only_near,
        )

    def leader(self, slot: Slot, plan: Plan, others: Iterable[Slot]) -> tuple[Submission, int] | None:
        """The request that is reading what this one would have to read, and how far to wait for it.

        It is asked to leave a checkpoint where the two part.
        """
        assert slot.submission is not None
        if self._is_reproducible or not slot.submission.job.use_cache:
            return None
        best: tuple[Submission, int] | None = None
        for other in others:
            if other.phase is not Phase.READING or other.submission is None:
                continue
            if other.submission.job.scope != slot.submission.job.scope:
                continue
            until = self._shared_until(slot, other)
            if until > max(plan.n_start, self._cache.engine.length(other.lane), best[1] if best else 0):
                best = (other.submission, until)
                self._cut(other, until)
        return best

    def publish(self, slot: Slot, plan: Plan, others: Iterable[Slot]) -> bool:
        """Let plain attention share what running requests have read since their last checkpoint; True if it helps."""
        assert slot.submission is not None
        if not self._cache.kind.rewinds or self._is_reproducible or not slot.submission.job.use_cache:
            return False
        found = False
        for other in others:
            if other.lane == NO_LANE or other.submission is None:
                continue
            read = other.tokens[: self._cache.engine.length(other.lane)]
            is_same_scope = other.submission.job.scope == slot.submission.job.scope
            if is_same_scope and n_equal(slot.tokens[: slot.n_target - 1], read) > plan.n_start:
                self._cache.take(other.lane, read, Origin.FORK)
                found = True
        return found

    def start(self, slot: Slot, plan: Plan, home: str) -> None:
        """Set the slot's cuts and say why it reads what it reads; its lane stands at the plan's start."""
        assert slot.submission is not None
        slot.n_read_before = slot.n_read - plan.n_start
        if slot.report is None:
            slot.n_cached = plan.n_start
            checkpoint = plan.restore.checkpoint if plan.restore else None
            rewinds = self._cache.kind.rewinds
            slot.report = explain(
                slot.n_target,
                plan.match.n_known if slot.submission.job.use_cache else 0,
                plan.n_start,
                evicted_upto=evicted_upto(plan.match, rewinds=rewinds),
                damaged_upto=damaged_upto(plan.match, rewinds=rewinds),
                needs_last=plan.needs_last,
                n_cheaper_to_read=plan.n_cheaper_to_read,
                n_not_fetched=plan.n_not_fetched,
                from_origin=checkpoint.origin.value if checkpoint else "",
                from_home=home,
                from_age_s=self._cache.entries.clock() - checkpoint.created if checkpoint else 0.0,
            )
        slot.cuts = deque(self._cuts(slot, plan))
        self._pin_again(slot)

    def _pin_again(self, slot: Slot) -> None:
        """Renew the pins at the client's breakpoints: each use counts anew."""
        assert slot.submission is not None
        job = slot.submission.job
        for mark in job.marks.breakpoints:
            self._cache.pin(job.scope, slot.tokens[: mark.end], mark.ttl_s)

    def _cuts(self, slot: Slot, plan: Plan) -> tuple[Cut, ...]:
        assert slot.submission is not None
        job, n_start, n_target = slot.submission.job, plan.n_start, slot.n_target
        if self._is_reproducible:
            return tuple(cut for cut in stable_cuts(job.marks, n_target) if cut.n_tokens > n_start)
        if self._cache.kind.rewinds:
            ends = sorted({mark.end for mark in job.marks.breakpoints if n_start < mark.end < n_target})
            breakpoints = tuple(Cut(end, Origin.BREAKPOINT) for end in ends)
            return (*breakpoints, Cut(n_target, Origin.PROMPT_END)) if n_target > n_start else ()
        boundaries = job.marks.boundaries
        return cuts(
            job.marks,
            n_start,
            n_target,
            fork=self._fork(slot, plan.match.n_known) if n_start < plan.match.n_known < n_target else None,
            expected=self._cache.expected(slot.lane, job.scope, job.session, boundaries),
            cut_cost_tokens=self._cost.n_tokens,
            n_most=self._n_most_cuts,
        )

    def _fork(self, slot: Slot, n_known: int) -> int:
        """Where to cut for a prompt that leaves the known path at `n_known`: there, or where that message begins.

        The first tokens of a message are the same in every message. A cut behind them would save no more than these.
        """
        assert slot.submission is not None
        ends = slot.submission.job.marks.message_ends
        n_suffix = len(slot.submission.job.tokens) - ends[-1] if ends else 0
        before = bisect_right(ends, n_known)
        is_header = before > 0 and n_known - ends[before - 1] <= n_suffix
        return ends[before - 1] if is_header else n_known

    def _shared_until(self, slot: Slot, other: Slot) -> int:
        """How far the two paths are one, and the follower could start from there."""
        n_shared = n_equal(slot.tokens[: slot.n_target], other.tokens[: other.n_target])
        if n_shared == slot.n_target and other.n_target != n_shared:
            return n_shared - 1
        return n_shared

    def _cut(self, leader: Slot, position: int) -> None:
        if any(cut.n_tokens == position for cut in leader.cuts):
            return
        leader.cuts = deque(sorted((*leader.cuts, Cut(position, Origin.FORK)), key=lambda cut: cut.n_tokens))
