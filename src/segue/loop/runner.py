"""One slot's life: it starts at a checkpoint, reads, generates, ends and leaves checkpoints behind."""

import logging
import time
from collections.abc import Callable

from segue.cache.planner import Plan
from segue.cache.state_cache import StateCache
from segue.engine.base import Engine, Logits
from segue.engine.errors import MaskError, NoRoomError, StateError
from segue.loop.admission import Admission
from segue.loop.catch_up import CatchUp
from segue.loop.cost import CutCost
from segue.loop.inbox import Submission
from segue.loop.job import (
    INTERNAL_ERROR,
    EndReason,
    ErrorType,
    JobEnd,
    JobError,
    Progress,
    Timings,
    context_exceeded,
)
from segue.loop.lanes import Lanes
from segue.loop.reply import Reply
from segue.loop.ring import Ring
from segue.loop.slot import NO_LANE, Phase, Slot
from segue.prefix.checkpoint import Origin

log = logging.getLogger(__name__)

OnEnd = Callable[[int, JobEnd], None]


class Runner:
    """Moves slots from phase to phase. Belongs to the engine's thread.

    What fails while a slot is served ends that slot's request with an error, and nothing else.
    """

    def __init__(
        self,
        engine: Engine,
        cache: StateCache,
        slots: list[Slot],
        *,
        n_ctx: int,
        is_reproducible: bool,
        cost: CutCost,
        catch_up: CatchUp,
        on_end: OnEnd,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._slots = slots
        self._n_ctx = n_ctx
        self._is_reproducible = is_reproducible
        self._cost = cost
        self._catch_up = catch_up
        self._on_end = on_end
        self._lanes = Lanes(len(slots), cache)
        self._admission = Admission(cache, cost, is_reproducible=is_reproducible)
        self._reply = Reply(engine, n_ctx)
        self._ring = Ring(engine, cache, is_reproducible=is_reproducible)

    def start(self, slot: Slot) -> None:
        """Let a waiting slot read from the deepest checkpoint, unless another is about to read the same."""
        with_failure(self, slot, self._start)

    def load(self, slot: Slot) -> None:
        """Go on with opening a slot's lane, by a step that does not keep others long."""
        with_failure(self, slot, lambda slot: self._open(slot, is_first=False))

    def settle(self, slot: Slot, row: int) -> None:
        """After a batch: take a checkpoint where one is due, draw a token where one is next."""
        with_failure(self, slot, lambda slot: self._settle(slot, row))

    def finish(self, slot: Slot, reason: EndReason, error: JobError | None = None, *, is_full: bool = False) -> None:
        """End a request: tell its listener, keep what its lane holds, free the slot. `is_full`: the cells are."""
        submission = slot.submission
        assert submission is not None
        truncated = reason is EndReason.LIMIT and (is_full or slot.n_tokens >= self._n_ctx)
        end = JobEnd(reason, slot.timings(), slot.report, slot.id, truncated, error)
        try:
            self._ring.end(slot, is_interrupted=reason in (EndReason.CANCELLED, EndReason.WORD))
            if slot.lane != NO_LANE:
                is_whole = slot.phase is not Phase.LOADING
                self._leave(slot, keep=is_whole and error is None and not self._is_reproducible)
                self._cache.attend(submission.job.scope, submission.job.session, slot.tokens)
        finally:
            slot.clear()
            self.tell_end(submission, end)

    def tell_end(self, submission: Submission, end: JobEnd) -> None:
        """Say the last word on a request; a listener that fails harms nobody else."""
        try:
            self._on_end(submission.id, end)
        except Exception:
            log.exception("the end of request %d could not be reported", submission.id)
        try:
            submission.listener.on_end(end)
        except Exception:
            log.exception("the listener of request %d failed", submission.id)

    def refuse(self, submission: Submission, reason: EndReason, error: JobError | None = None) -> None:
        """End a request that never got a slot."""
        self.tell_end(submission, JobEnd(reason, Timings(0, 0, 0.0, 0, 0.0), None, -1, error=error))

    def give_way(self) -> None:
        """The cells are full of running requests: let the youngest wait for another to end, or end it if alone."""
        running = sorted((slot for slot in self._slots if slot.lane != NO_LANE), key=_id)
        youngest = running[-1]
        if len(running) > 1:
            self._suspend(youngest, running[0])
        elif youngest.phase is Phase.GENERATING:
            self.finish(youngest, EndReason.LIMIT, is_full=True)
        else:
            self.finish(youngest, EndReason.ERROR, context_exceeded(youngest.n_target, self._engine.n_cells))

    def _start(self, slot: Slot) -> None:
        if slot.wait is not None and not self._is_over(*slot.wait):
            return
        plan = self._near_plan(slot)
        if plan is None:
            return
        if self._admission.publish(slot, plan, self._slots):
            plan = self._admission.plan(slot, only_near=True)
        slot.wait = self._admission.leader(slot, plan, self._slots)
        if slot.wait is not None:
            return
        slot.plan, slot.phase = plan, Phase.LOADING
        self._open(slot, is_first=True)

    def _near_plan(self, slot: Slot) -> Plan | None:
        """Where a slot starts; None while that is fetched from the disk."""
        plan = self._admission.plan(slot)
        slot.is_fetching = False
        if plan.restore is None:
            return plan
        checkpoint, with_logits = plan.restore.checkpoint, plan.restore.with_logits
        if self._cache.is_near(checkpoint, with_logits=with_logits):
            return plan
        slot.is_fetching = slot.has_fetched = self._cache.fetch(checkpoint, with_logits=with_logits)
        return None if slot.is_fetching else self._admission.plan(slot, only_near=True)

    def _open(self, slot: Slot, *, is_first: bool) -> None:
        """Begin to open a lane, or go on with it; read once it stands where it should."""
        assert slot.plan is not None
        try:
            if is_first:
                job = _submission(slot).job
                self._cache.hear(job.scope, job.session)
                home = self._cache.open(self._lanes.give(slot), slot.plan)
                slot.home = "disk" if slot.has_fetched and home == "host" else home
            else:
                self._cache.step(slot.lane)
        except NoRoomError:
            self._leave(slot, keep=False)
            slot.phase = Phase.WAITING
            running = sorted((other for other in self._slots if other.lane != NO_LANE), key=_id)
            if not running:
                raise
            slot.wait = (_submission(running[0]), None)
            return
        except StateError:
            # The checkpoint is gone: the next plan starts from another one, or reads everything.
            self._leave(slot, keep=False)
            slot.phase, slot.wait, slot.has_fetched = Phase.WAITING, None, False
            return
        if not self._cache.is_open(slot.lane):
            return
        plan, slot.plan, slot.phase = slot.plan, None, Phase.READING
        self._admission.start(slot, plan, slot.home)
        self._ring.begin(slot)
        self._tell_progress(slot)
        if plan.n_start == slot.n_target:
            self._begin_reply(slot, None, plan.logits)

    def _is_over(self, other: Submission, until: int | None) -> bool:
        """Whether the other request is gone, waits itself, or has read far enough."""
        for slot in self._slots:
            if slot.submission is other and slot.lane != NO_LANE:
                return until is not None and self._engine.length(slot.lane) >= until
        return True

    def _settle(self, slot: Slot, row: int) -> None:
        if slot.phase is Phase.GENERATING:
            reason = self._reply.next(slot, row)
            if reason is not None:
                self.finish(slot, reason)
            else:
                self._ring.turn(slot)
            return
        n_read = self._engine.length(slot.lane)
        if slot.n_generated == 0:
            slot.n_read = slot.n_read_before + n_read
            self._tell_progress(slot)
        if n_read == slot.n_target:
            self._begin_reply(slot, row, None)
        elif slot.cuts and slot.cuts[0].n_tokens == n_read:
            self._take(slot, slot.cuts.popleft().origin)

    def _tell_progress(self, slot: Slot) -> None:
        submission = _submission(slot)
        if submission.job.wants_progress and slot.n_generated == 0:
            n_done, timings = self._engine.length(slot.lane), slot.timings()
            told = timings if submission.job.wants_timings else None
            submission.listener.on_progress(
                Progress(slot.n_target, slot.n_cached, n_done, time_ms=timings.prompt_ms, timings=told)
            )

    def _begin_reply(self, slot: Slot, row: int | None, kept: Logits | None) -> None:
        """The prompt is read: draw the first token and keep the state with its logits."""
        slot.cuts.clear()
        if slot.n_generated:
            slot.phase = Phase.GENERATING
            return
        job = _submission(slot).job
        self._catch_up.note(job.scope, job.tokens, job.marks)
        if row is not None:
            kept = self._engine.logits(row)
        reason: EndReason | None = EndReason.LIMIT
        if job.n_predict != 0:
            assert kept is not None
            reason = self._reply.first(slot, row, kept)
        if row is not None:
            self._take(slot, Origin.PROMPT_END, kept)
        slot.phase = Phase.GENERATING
        if reason is not None:
            self.finish(slot, reason)

    def _take(self, slot: Slot, origin: Origin, logits: Logits | None = None) -> None:
        started = time.perf_counter()
        n_read = self._engine.length(slot.lane)
        marks = _submission(slot).job.marks
        self._cache.take(
            slot.lane,
            slot.tokens[:n_read],
            origin,
            logits=logits,
            pin_s=next((mark.ttl_s for mark in marks.breakpoints if mark.end == n_read), 0.0),
            digest=slot.digests[n_read] if slot.digests is not None else None,
        )
        self._cost.note_save(time.perf_counter() - started)

    def _leave(self, slot: Slot, *, keep: bool) -> None:
        """Empty the slot's lane, keeping its state as a checkpoint or not."""
        n_read = self._engine.length(slot.lane)
        try:
            if keep and n_read:
                self._cache.close(slot.lane, slot.tokens[:n_read], Origin.REPLY_END)
        except Exception:
            log.exception("the state of request %d could not be kept", _id(slot))
        self._cache.discard(slot.lane)
        self._lanes.take_back(slot)

    def _suspend(self, slot: Slot, other: Slot) -> None:
        """Let a running slot wait for the end of another; it goes on later from what is left of its state then."""
        log.info("request %d gives way: the attention cells are full", _id(slot))
        if slot.phase is Phase.GENERATING:
            slot.n_target = slot.n_tokens - 1
        self._leave(slot, keep=slot.phase is not Phase.LOADING and not self._is_reproducible)
        slot.phase = Phase.WAITING
        slot.wait = (_submission(other), None)


def with_failure(runner: Runner, slot: Slot, step: Callable[[Slot], None]) -> None:
    """Run one step of a slot; what it raises ends that slot's request."""
    number = _id(slot)
    try:
        step(slot)
    except MaskError as error:
        log.info("request %d: %s", number, error)
        runner.finish(slot, EndReason.ERROR, JobError(ErrorType.INVALID_REQUEST, str(error)))
    except Exception:
        log.exception("request %d failed", number)
        if slot.submission is not None:
            runner.finish(slot, EndReason.ERROR, INTERNAL_ERROR)


def _submission(slot: Slot) -> Submission:
    assert slot.submission is not None
    return slot.submission


def _id(slot: Slot) -> int:
    return _submission(slot).id
