"""The life of a request: it starts at a checkpoint, reads, generates, ends and leaves checkpoints behind."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from segue.cache.planner import Plan
from segue.cache.state_cache import StateCache
from segue.engine.base import Engine, Logits
from segue.engine.errors import MaskError, NoRoomError, StateError
from segue.loop.admission import Admission
from segue.loop.end import INTERNAL_ERROR, EndReason, ErrorType, JobEnd, JobError, context_exceeded
from segue.loop.events import Progress, Timings
from segue.loop.idle_checkpoints import IdleCheckpoints
from segue.loop.inbox import Submission
from segue.loop.reply import Reply
from segue.loop.reply_states import ReplyStates
from segue.loop.request import NO_SEQ, Phase, Request
from segue.loop.sequences import SequencePool
from segue.loop.slot import Slot
from segue.loop.speculation import Speculation
from segue.prefix.checkpoint import Origin

log = logging.getLogger(__name__)

OnEnd = Callable[[int, JobEnd], None]


class Runner:
    """Moves requests from phase to phase. Belongs to the engine's thread.

    An exception while a request is served ends only that request, with an error.
    """

    def __init__(
        self,
        engine: Engine,
        cache: StateCache,
        slots: list[Slot],
        *,
        n_ctx: int,
        is_reproducible: bool,
        speculation: Speculation,
        idle_checkpoints: IdleCheckpoints,
        on_end: OnEnd,
    ) -> None:
        self._engine = engine
        self._cache = cache
        self._slots = slots
        self._n_ctx = n_ctx
        self._is_reproducible = is_reproducible
        self._speculation = speculation
        self._idle_checkpoints = idle_checkpoints
        self._on_end = on_end
        self._sequences = SequencePool(len(slots), cache.running, can_move=engine.is_unified)
        self._admission = Admission(engine, cache, is_reproducible=is_reproducible)
        self._reply = Reply(engine, n_ctx)
        self._reply_states = ReplyStates(engine, cache, is_reproducible=is_reproducible)

    @property
    def requests(self) -> list[Request]:
        """The requests that have a slot."""
        return [slot.request for slot in self._slots if slot.request is not None]

    def start(self, request: Request) -> None:
        """Start a waiting request where its plan begins, unless another request is about to read the same tokens."""
        self._guard(request, self._start)

    def restore(self, request: Request) -> None:
        """Restore a request's sequence by one step, short enough not to delay others."""
        self._guard(request, self._restore)

    def settle(self, requests: Sequence[Request], rows: Sequence[tuple[int, ...]]) -> None:
        """Process the requests of a batch with the rows of each: draw the tokens that are next, save what is due.

        First all replies draw and take back drafts that did not hold: whatever is read, saved or moved before that
        could overwrite logits, or cells of a window that come back.
        """
        drawn = [self._draw(request, own) for request, own in zip(requests, rows, strict=True)]
        for request, own, reason in zip(requests, rows, drawn, strict=True):
            if reason is None:
                self._guard(request, self._save_or_begin, own)
        for request, reason in zip(requests, drawn, strict=True):
            if reason is not None:
                self._guard(request, self._end, reason)

    def finish(
        self, request: Request, reason: EndReason, error: JobError | None = None, *, is_full: bool = False
    ) -> None:
        """End a request: free its slot, tell its listener, keep its sequence's state. `is_full`: no cells are left."""
        truncated = reason is EndReason.LIMIT and (is_full or request.n_tokens >= self._n_ctx)
        end = JobEnd(reason, request.timings(), request.report, request.id_slot, truncated, error)
        keeps = request.phase is not Phase.RESTORING and error is None and not self._is_reproducible
        request.phase = Phase.ENDED
        self._slots[request.id_slot].clear()
        # Keeping the state may take long, and the client need not wait for it.
        self.tell_end(request.submission, end)
        try:
            self._reply_states.end(request, is_interrupted=reason in (EndReason.CANCELLED, EndReason.WORD))
            if request.seq != NO_SEQ:
                if keeps:
                    self._speculation.read_owed(request)
                self._release(request, keep=keeps)
                self._cache.sessions.end_request(request.job.namespace, request.job.session, request.tokens)
        finally:
            request.end()

    def tell_end(self, submission: Submission, end: JobEnd) -> None:
        """Report the end of a request; an exception in the listener affects no other request."""
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
        self.tell_end(submission, JobEnd(reason, Timings(), None, -1, error=error))

    def preempt(self) -> None:
        """Free cells that running requests fill: let the youngest wait for another one to end, or end it if alone."""
        running = self._running()
        youngest = running[-1]
        if len(running) > 1:
            self._suspend(youngest, running[0])
        elif youngest.phase is Phase.DECODE:
            self.finish(youngest, EndReason.LIMIT, is_full=True)
        else:
            self.finish(youngest, EndReason.ERROR, context_exceeded(youngest.n_target, self._engine.n_cells))

    def _guard(self, request: Request, step: Callable[..., None], *arguments: object) -> None:
        """Do one step of a request; an exception ends that request."""
        try:
            step(request, *arguments)
        except MaskError as error:
            log.info("request %d: %s", request.id, error)
            self.finish(request, EndReason.ERROR, JobError(ErrorType.INVALID_REQUEST, str(error)))
        except Exception:
            log.exception("request %d failed", request.id)
            if request.phase is not Phase.ENDED:
                self.finish(request, EndReason.ERROR, INTERNAL_ERROR)

    def _running(self) -> list[Request]:
        """The requests that have a sequence, oldest first."""
        return sorted((request for request in self.requests if request.seq != NO_SEQ), key=_id)

    def _start(self, request: Request) -> None:
        if request.wait is not None and not self._is_over(*request.wait):
            return
        plan = self._near_plan(request)
        if plan is None:
            return
        if self._admission.save_shared(request, plan, self.requests):
            plan = self._admission.plan(request, only_near=True)
        request.wait = self._admission.follow(request, plan, self.requests)
        if request.wait is not None:
            return
        request.plan, request.phase = plan, Phase.RESTORING
        self._cache.sessions.begin_request(request.job.namespace, request.job.session)
        request.restoration = self._cache.restore(self._sequences.assign(request), plan)
        self._restore(request)

    def _near_plan(self, request: Request) -> Plan | None:
        """The start of a request that needs no fetch; None while a better start is fetched from the lower tier."""
        plan = self._admission.plan(request)
        request.is_fetching = False
        if plan.is_near:
            return plan
        request.is_fetching = request.has_fetched = plan.fetch()
        return None if request.is_fetching else self._admission.plan(request, only_near=True)

    def _restore(self, request: Request) -> None:
        """Do one step of a restoration; begin to read once it is done."""
        plan, restoration = request.plan, request.restoration
        assert plan is not None
        assert restoration is not None
        try:
            restoration.restore_next()
        except NoRoomError:
            self._wait_again(request)
            running = self._running()
            if not running:
                raise
            request.wait = (running[0], None)
            return
        except StateError:
            # The checkpoint is gone: the next plan starts from another one, or reads everything.
            self._wait_again(request)
            request.wait, request.has_fetched = None, False
            return
        if not restoration.is_done:
            return
        request.plan, request.restoration, request.phase = None, None, Phase.PREFILL
        self._admission.start(request, plan, restoration)
        self._reply_states.begin(request)
        self._tell_progress(request)
        if plan.n_start == request.n_target:
            self._begin_reply(request, None, plan.logits)

    def _wait_again(self, request: Request) -> None:
        """Make a request wait again, because its sequence could not be restored."""
        self._release(request, keep=False)
        request.phase = Phase.WAITING

    def _is_over(self, other: Request, until: int | None) -> bool:
        """Whether the other request is gone, waits itself, or has read far enough."""
        if other.seq == NO_SEQ:
            return True
        return until is not None and self._engine.length(other.seq) >= until

    def _save_or_begin(self, request: Request, rows: Sequence[int]) -> None:
        """After a batch, save a request's state if that is due, or begin its reply once the prompt is complete."""
        if request.phase is Phase.DECODE:
            self._reply_states.update(request)
            return
        n_read = self._engine.length(request.seq)
        if request.n_generated == 0:
            request.n_read = request.n_read_before + n_read
            self._tell_progress(request)
        if n_read == request.n_target:
            self._begin_reply(request, rows[-1], None)
        elif request.positions and request.positions[0].n_tokens == n_read:
            self._save(request, request.positions.popleft().origin)

    def _draw(self, request: Request, rows: Sequence[int]) -> EndReason | Exception | None:
        """Draw tokens from the rows of a reply, as long as the drafts behind them hold; why it ends, if it does."""
        if request.phase is not Phase.DECODE:
            return None
        drafts = self._speculation.drafts(request)
        reason: EndReason | Exception | None = None
        try:
            for i, row in enumerate(rows):
                reason = self._reply.next(request, row)
                if reason is not None or i == len(drafts) or request.tokens[-1] != drafts[i]:
                    break
        except Exception as error:
            reason = error
        try:
            self._speculation.resolve(request)
        except Exception as error:
            reason = error
        return reason

    def _end(self, request: Request, reason: EndReason | Exception) -> None:
        if isinstance(reason, Exception):
            raise reason
        self.finish(request, reason)

    def _tell_progress(self, request: Request) -> None:
        if request.job.wants_progress and request.n_generated == 0:
            n_done, timings = self._engine.length(request.seq), request.timings()
            if not request.n_read:
                # llama-server's clock starts here.
                timings = replace(timings, prompt_ms=0.0)
            told = timings if request.job.wants_timings else None
            request.listener.on_progress(
                Progress(request.n_target, request.n_cached, n_done, time_ms=timings.prompt_ms, timings=told)
            )

    def _begin_reply(self, request: Request, row: int | None, kept: Logits | None) -> None:
        """Draw the first token once the prompt is read, and keep the state with its logits."""
        request.positions.clear()
        if request.n_generated:
            request.phase = Phase.DECODE
            return
        job = request.job
        self._idle_checkpoints.add(job.namespace, job.tokens, job.marks)
        if row is not None:
            kept = self._engine.logits(row)
        reason: EndReason | None = EndReason.LIMIT
        if job.n_predict != 0:
            assert kept is not None
            reason = self._reply.first(request, row, kept)
        if row is not None:
            self._save(request, Origin.PROMPT_END, kept)
        request.phase = Phase.DECODE
        if reason is not None:
            self.finish(request, reason)
        else:
            self._speculation.begin(request)

    def _save(self, request: Request, origin: Origin, logits: Logits | None = None) -> None:
        n_read = self._engine.length(request.seq)
        marks = request.job.marks
        self._cache.save(
            request.seq,
            request.tokens[:n_read],
            origin,
            logits=logits,
            pin_s=next((mark.ttl_s for mark in marks.breakpoints if mark.end == n_read), 0.0),
            digest=request.digests[n_read] if request.digests is not None else None,
        )

    def _release(self, request: Request, *, keep: bool) -> None:
        """Empty the request's sequence, keeping its state as a checkpoint or not."""
        try:
            self._speculation.resolve(request)
            n_read = self._engine.length(request.seq)
            self._cache.release(request.seq, keep=request.tokens[:n_read] if keep and n_read else None)
        except Exception:
            log.exception("the state of request %d could not be kept", request.id)
            self._cache.release(request.seq)
        self._sequences.withdraw(request)

    def _suspend(self, request: Request, other: Request) -> None:
        """Make a running request wait for the end of another one; it resumes from the state still cached then."""
        log.info("request %d is preempted: the attention cells are full", request.id)
        if request.phase is Phase.DECODE:
            request.n_target = request.n_tokens - 1
        self._release(request, keep=request.phase is not Phase.RESTORING and not self._is_reproducible)
        request.phase = Phase.WAITING
        request.wait = (other, None)


def _id(request: Request) -> int:
    return request.id
