"""The loop: one thread that owns the engine and serves all slots in turns: plan, decode, settle."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import TypeVar

from segue.cache.snapshot import SlotSnapshot
from segue.cache.state_cache import StateCache
from segue.drafting.drafter import Drafter
from segue.engine.base import Chunk, Engine, Tokens
from segue.engine.errors import EngineError, NoRoomError
from segue.engine.state import Bytes
from segue.loop.batching import Batching
from segue.loop.end import INTERNAL_ERROR, EndReason, ErrorType, JobEnd, JobError, context_exceeded
from segue.loop.front import Listener, SlotView
from segue.loop.idle_checkpoints import IdleCheckpoints
from segue.loop.inbox import Inbox, Submission
from segue.loop.job import Job
from segue.loop.pace import Pace
from segue.loop.request import Phase, Request
from segue.loop.runner import OnEnd, Runner
from segue.loop.slot import Slot
from segue.loop.speculation import Speculation
from segue.loop.totals import LoopTotals

log = logging.getLogger(__name__)
T = TypeVar("T")

_END_S = 20.0
_IDLE_S = 0.1
_PENDING = (Phase.RESTORING, Phase.WAITING)


class Loop:
    """The LoopFront over an engine. `start` begins the thread, `close` ends it and waits for it.

    After `idle_s` seconds without a request, idle time is used for background work; None disables it. With a
    `drafter`, the engine's last `n_slots` sequences are those that Speculation needs, and none of the cache's.
    """

    def __init__(
        self,
        engine: Engine,
        cache: StateCache,
        *,
        n_slots: int,
        n_ctx: int,
        is_reproducible: bool = False,
        idle_s: float | None = _IDLE_S,
        drafter: Drafter | None = None,
        on_end: OnEnd = lambda _id, _end: None,
    ) -> None:
        self.engine = engine
        self.cache = cache
        self.n_ctx = n_ctx
        self._clock = cache.prices.clock
        self._ended = LoopTotals()
        self._n_calls = self._n_served = 0
        self._on_end = on_end
        self._inbox = Inbox()
        self._queue: deque[Submission] = deque()
        self._slots = [Slot(i) for i in range(n_slots)]
        self._speculation = Speculation(engine, drafter, first_shadow=engine.n_seq_max - n_slots, n_ctx=n_ctx)
        self._batching = Batching(engine, self._speculation, is_reproducible=is_reproducible)
        self._idle_s = idle_s or 0.0
        self.idle_checkpoints = IdleCheckpoints(engine, cache, is_off=is_reproducible or idle_s is None)
        self._runner = Runner(
            engine,
            cache,
            self._slots,
            n_ctx=n_ctx,
            is_reproducible=is_reproducible,
            speculation=self._speculation,
            idle_checkpoints=self.idle_checkpoints,
            on_end=self._count_end,
        )
        self._is_maintained = True
        self._pace = Pace(self._clock)
        self._decoded = self._clock()
        self._thread = threading.Thread(target=self._run, name="segue-engine", daemon=True)

    def start(self) -> None:
        """Begin to serve."""
        self._thread.start()

    def close(self) -> None:
        """Cancel running requests, refuse waiting jobs, and return when the thread has ended."""
        self._inbox.close()
        self._thread.join()

    def submit(self, job: Job, listener: Listener) -> Submission:
        """Queue a job; any thread. Raises RuntimeError after `close`."""
        return self._inbox.submit(job, listener)

    def call(self, function: Callable[[], T]) -> "Future[T]":
        """Run a function on the engine's thread between two batches; any thread."""
        return self._inbox.call(function)

    def vacate(self, unload: Callable[[], None]) -> "Future[bool]":
        """Empty all sequences, then `unload` on the engine's thread; False, with nothing done, while there is work.

        No job may be submitted until the engine can be used again.
        """

        def vacate() -> bool:
            if not self._is_idle or self.idle_checkpoints.has_work:
                return False
            self.cache.vacate()
            unload()
            return True

        return self.call(vacate)

    def wake(self) -> None:
        """Wake the engine's thread, because there may be work; any thread."""
        self._inbox.wake()

    def slots(self) -> tuple[SlotView, ...]:
        """A snapshot of the slots; any thread."""
        return tuple(slot.view(self.n_ctx) for slot in self._slots)

    @property
    def totals(self) -> LoopTotals:
        """What the loop has done so far; any thread."""
        return replace(self._ended, n_calls=self._n_calls, n_served=self._n_served)

    @property
    def n_waiting(self) -> int:
        """The requests that wait for a slot; any thread."""
        return len(self._queue)

    def save_slot(self, id_slot: int, namespace: str) -> "Future[SlotSnapshot | None]":
        """Pack the path that a slot served last; any thread."""
        return self.call(lambda: self.cache.snapshots.pack(namespace, self._path(id_slot, namespace)))

    def restore_slot(self, id_slot: int, namespace: str, arrays: Sequence[Bytes]) -> "Future[int]":
        """Unpack a snapshot, which becomes the slot's path; any thread."""
        snapshot = self.cache.snapshots.parse(arrays)

        def restore() -> int:
            self._slots[id_slot].last = (namespace, snapshot.tokens)
            return self.cache.snapshots.unpack(namespace, snapshot)

        return self.call(restore)

    def erase_slot(self, id_slot: int, namespace: str) -> "Future[int]":
        """Forget the end of the path that a slot served last; any thread."""
        return self.call(lambda: self.cache.snapshots.erase(namespace, self._path(id_slot, namespace)))

    def _path(self, id_slot: int, namespace: str) -> Tokens:
        last, tokens = self._slots[id_slot].last
        return tokens if last == namespace else tokens[:0]

    def _run(self) -> None:
        while not self._inbox.is_closed:
            try:
                self._receive()
                self._plan()
                self._maintain()
                self._use_idle_time()
                for chunks, requests in self._batching.fill(self._runner.requests):
                    rows = self._decode(chunks, requests)
                    if rows:
                        self._runner.settle(requests, rows)
            except Exception:
                log.exception("a turn of the loop failed")
                self._finish(self._runner.requests, EndReason.ERROR, INTERNAL_ERROR)
        self._end()

    def _receive(self) -> None:
        """Take the jobs and calls of other threads; sleep while there is nothing to do."""
        may_rest = self._may_rest()
        if not (may_rest or self._inbox.is_awake):
            return
        jobs, calls = self._inbox.drain(self._rest_s() if may_rest else 0.0)
        # Jobs and calls are in no other queue now: even if something fails below, each must be answered or made.
        self._queue.extend(jobs)
        try:
            self.cache.collect()
        except Exception:
            # Otherwise unfinished work waits for the next wake-up.
            self._inbox.wake()
            raise
        finally:
            for call in calls:
                call()
        for submission in [queued for queued in self._queue if queued.is_cancelled]:
            self._queue.remove(submission)
            self._runner.refuse(submission, EndReason.CANCELLED)
        for request in self._runner.requests:
            if request.submission.is_cancelled:
                self._runner.finish(request, EndReason.CANCELLED)

    def _may_rest(self) -> bool:
        """Whether there is nothing to do until another thread acts."""
        if not self._is_maintained or any(not request.is_fetching for request in self._runner.requests):
            return False
        return not self._queue or all(slot.request is not None for slot in self._slots)

    def _rest_s(self) -> float | None:
        """How long to sleep if there is nothing to do; None to sleep until woken."""
        if not (self.idle_checkpoints.has_work and self._is_idle):
            return None
        return max(0.0, self._decoded + self._idle_s - self._clock())

    @property
    def _is_idle(self) -> bool:
        """Whether there is no request at all."""
        return not self._queue and all(slot.request is None for slot in self._slots)

    def _use_idle_time(self) -> None:
        """While there is no request, take the checkpoints that were too expensive before."""
        if self._is_idle and not self._rest_s() and self.idle_checkpoints.work():
            self._is_maintained = False

    def _plan(self) -> None:
        """Assign idle slots to queued jobs, and start every request that need not wait."""
        if self._queue:
            self.idle_checkpoints.stop()
        for submission in tuple(self._queue):
            slot = self._idle_slot(submission.job)
            if slot is None:
                continue
            self._queue.remove(submission)
            n_prompt = len(submission.job.tokens)
            if 0 < n_prompt < self.n_ctx:
                slot.begin(submission)
            else:
                self._runner.refuse(submission, EndReason.ERROR, _does_not_fit(n_prompt, self.n_ctx))
        pending = [one for one in self._runner.requests if one.phase in _PENDING]
        for request in sorted(pending, key=_id):
            if request.phase is Phase.RESTORING:
                self._runner.restore(request)
            else:
                self._runner.start(request)

    def _maintain(self) -> None:
        """Do deferred work at its pace; where copies are slow, only while no request waits for its first token."""
        if self.idle_checkpoints.is_reading:
            # The checkpoint that idle work reads from must not move meanwhile.
            return
        running = [request for request in self._runner.requests if not request.is_fetching]
        is_awaited = bool(running) and (bool(self._queue) or any(one.phase is not Phase.DECODE for one in running))
        self._is_maintained = False
        if is_awaited and self.cache.copies_are_slow:
            return
        seconds = self._pace.begin(self._decoded, is_busy=bool(running))
        if seconds is not None:
            self._is_maintained = not self.cache.maintain(seconds)
            self._pace.end()

    def _decode(self, chunks: list[Chunk], requests: list[Request]) -> list[tuple[int, ...]]:
        """Read one batch, making room as long as that helps; returns no rows if it could not be read."""
        started = self._clock()
        while True:
            try:
                rows = self.engine.decode(chunks)
                break
            except NoRoomError:
                without = self._speculation.withdraw(requests)
                if without is not None:
                    chunks = without
                elif not self.cache.make_room():
                    self._runner.preempt()
                    return []
            except EngineError:
                log.exception("a batch of %d tokens failed", sum(len(chunk.inputs) for chunk in chunks))
                self._finish(requests, EndReason.ERROR, INTERNAL_ERROR)
                return []
        self._decoded = self._clock()
        # What is saved now must not wait for the next request to be copied.
        self._is_maintained = False
        # Two numbers, since this comes with every token; `totals` puts them with the rest.
        self._n_calls += 1
        self._n_served += len(self._runner.requests)
        n_tokens, seconds = sum(len(chunk.inputs) for chunk in chunks), self._decoded - started
        phases = {request.phase for request in requests}
        if phases == {Phase.PREFILL}:
            self.cache.prices.record_read(n_tokens, seconds)
        elif phases == {Phase.DECODE}:
            self._speculation.record(n_tokens, seconds)
        return rows

    def _count_end(self, job_id: int, end: JobEnd) -> None:
        self._ended = self._ended.after_end(end)
        self._on_end(job_id, end)

    def _finish(self, requests: list[Request], reason: EndReason, error: JobError | None = None) -> None:
        """End these requests, even if their sequences cannot be emptied any more."""
        for request in requests:
            if request.phase is not Phase.ENDED:
                try:
                    self._runner.finish(request, reason, error)
                except Exception:
                    log.exception("slot %d could not be cleaned up", request.id_slot)

    def _end(self) -> None:
        self._finish(self._runner.requests, EndReason.CANCELLED)
        self.idle_checkpoints.stop()
        jobs, calls = self._inbox.drain(0.0)
        for call in calls:
            call()
        for submission in (*self._queue, *jobs):
            error = JobError(ErrorType.UNAVAILABLE, "the server is shutting down")
            self._runner.refuse(submission, EndReason.ERROR, error)
        self.cache.close(_END_S)

    def _idle_slot(self, job: Job) -> Slot | None:
        """The slot that the job asks for, or any idle one; None while it is busy."""
        idle = [slot for slot in self._slots if slot.request is None]
        if 0 <= job.id_slot < len(self._slots):
            idle = [slot for slot in idle if slot.id == job.id_slot]
        return idle[0] if idle else None


def _id(request: Request) -> int:
    return request.id


def _does_not_fit(n_prompt: int, n_ctx: int) -> JobError:
    if n_prompt == 0:
        return JobError(ErrorType.INVALID_REQUEST, "the prompt is empty")
    return context_exceeded(n_prompt, n_ctx)
