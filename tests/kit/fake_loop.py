"""A loop without a model: its replies are given by the test, or follow from the prompt and the seed."""

import itertools
import queue
import threading
import zlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from segue.cache.snapshot import SlotSnapshot, parse
from segue.engine.state import Bytes
from segue.loop.end import EndReason, JobEnd, JobError
from segue.loop.events import Candidate, Progress, Timings, TokenOut
from segue.loop.front import Listener, SlotView
from segue.loop.job import Job
from segue.loop.totals import LoopTotals
from segue.policy.reasons import CacheReport
from tests.kit.byte_vocabulary import EOS
from tests.kit.waiting import wait_until


@dataclass
class FakeTicket:
    """A submitted job."""

    id: int
    is_cancelled: threading.Event = field(default_factory=threading.Event)

    def cancel(self) -> None:
        self.is_cancelled.set()


def words(job: Job) -> list[int]:
    """A reply that depends on prompt and seed alone, and ends by itself."""
    return [*f"{zlib.crc32(job.tokens.tobytes()):08x}-{job.sampling.seed}".encode(), EOS]


@dataclass
class FakeLoop:
    """Answers jobs one after the other on a thread of its own.

    `reply` gives the tokens that a job would generate without limit; EOS ends it. `error` fails every job before it
    generates, or after `error_after` tokens. `gate`, once cleared, holds every job before its first token until set
    or cancelled. With `steps`, each token and a late error wait until one is released. `delay_s` is the least time
    between tokens: nothing may be decided by it.
    """

    reply: Callable[[Job], Iterable[int]] = words
    n_ctx: int = 4096
    n_slots: int = 4
    delay_s: float = 0.0
    steps: threading.Semaphore | None = None
    error: JobError | None = None
    error_after: int = 0
    n_waiting: int = 0
    totals: LoopTotals = field(default_factory=LoopTotals)
    gate: threading.Event = field(default_factory=threading.Event)
    jobs: list[Job] = field(default_factory=list)
    ends: list[JobEnd] = field(default_factory=list)
    _ids: "itertools.count[int]" = field(default_factory=itertools.count)
    _queue: "queue.SimpleQueue[tuple[Job, Listener, FakeTicket] | None]" = field(default_factory=queue.SimpleQueue)
    _known: dict[str, list[list[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.gate.set()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def submit(self, job: Job, listener: Listener) -> FakeTicket:
        if self._is_closed:
            raise RuntimeError("closed")
        ticket = FakeTicket(next(self._ids))
        self.jobs.append(job)
        self._queue.put((job, listener, ticket))
        return ticket

    def slots(self) -> tuple[SlotView, ...]:
        return tuple(
            SlotView(
                id=i,
                namespace="",
                is_processing=False,
                id_task=-1,
                n_ctx=self.n_ctx,
                n_prompt_tokens=0,
                n_prompt_tokens_processed=0,
                n_prompt_tokens_cache=0,
                n_decoded=0,
            )
            for i in range(self.n_slots)
        )

    def save_slot(self, id_slot: int, namespace: str) -> "Future[SlotSnapshot | None]":  # noqa: ARG002
        tokens = np.array([1, 2, 3], np.int32)
        return _done(SlotSnapshot({}, tokens, (), ()))

    def restore_slot(self, id_slot: int, namespace: str, arrays: Sequence[Bytes]) -> "Future[int]":  # noqa: ARG002
        return _done(len(parse(arrays, {}).tokens))

    def erase_slot(self, id_slot: int, namespace: str) -> "Future[int]":  # noqa: ARG002
        return _done(7)

    def close(self) -> None:
        self._is_closed = True
        self._queue.put(None)
        self._thread.join()

    def wait_for_ends(self, n: int) -> None:
        """Wait until n jobs are over."""
        wait_until(lambda: len(self.ends) >= n, f"{n} jobs that are over")

    def wait_for_jobs(self, n: int) -> None:
        """Wait until n jobs have been submitted."""
        wait_until(lambda: len(self.jobs) >= n, f"{n} jobs")

    def on_over(self, job_id: int, end: JobEnd) -> None:
        """Hear of every job that is over, on the loop's thread."""

    def _run(self) -> None:
        while (item := self._queue.get()) is not None:
            job, listener, ticket = item
            end = self._answer(job, listener, ticket)
            self.ends.append(end)
            self.totals = self.totals.after_end(end)
            listener.on_end(end)
            self.on_over(ticket.id, end)

    def _answer(self, job: Job, listener: Listener, ticket: FakeTicket) -> JobEnd:
        report = self._report(job)
        if job.wants_progress:
            for n_done in (report.n_reused, report.n_prompt):
                n_read = n_done - report.n_reused
                timings = (
                    Timings(cache_n=report.n_reused, prompt_n=n_read, prompt_ms=1.5) if job.wants_timings else None
                )
                listener.on_progress(Progress(report.n_prompt, report.n_reused, n_done, 1.5, timings))
        reason, n_predicted = EndReason.LIMIT, 0
        tokens = iter(self.reply(job))
        forcer = None if job.make_forcer is None else job.make_forcer()
        timings = Timings(cache_n=report.n_reused, prompt_n=report.n_read, prompt_ms=2.0 * report.n_read)
        while not (self.gate.wait(0.005) or ticket.is_cancelled.is_set()):
            pass
        while n_predicted != job.n_predict or self.error is not None:
            if self.error is not None and n_predicted >= self.error_after:
                if n_predicted:
                    self._step(ticket)
                return JobEnd(EndReason.ERROR, timings, report, 0, error=self.error)
            self._step(ticket)
            if ticket.is_cancelled.is_set():
                reason = EndReason.CANCELLED
                break
            forced = None if forcer is None else forcer.forced()
            token = next(tokens, EOS) if forced is None else forced
            n_predicted += 1
            timings = Timings(
                cache_n=report.n_reused,
                prompt_n=report.n_read,
                prompt_ms=2.0 * report.n_read,
                predicted_n=n_predicted,
                predicted_ms=4.0 * (n_predicted - 1),
            )
            if listener.on_token(self._token(job, token, timings)):
                reason = EndReason.WORD
                break
            if token == EOS:
                reason = EndReason.EOS
                break
            if forcer is not None:
                forcer.accept(token)
        return JobEnd(reason, timings, report, max(job.id_slot, 0))

    def _step(self, ticket: FakeTicket) -> None:
        """Wait until the next token may come, or the job is cancelled."""
        if self.delay_s:
            ticket.is_cancelled.wait(self.delay_s)
        while self.steps and not (self.steps.acquire(timeout=0.005) or ticket.is_cancelled.is_set()):
            pass

    @staticmethod
    def _token(job: Job, token: int, timings: Timings) -> TokenOut:
        others = [(token + i) % 256 for i in range(1, job.n_probs)]
        top = tuple(Candidate(t, -0.25 - i) for i, t in enumerate([token, *others][: job.n_probs]))
        timed = timings if job.wants_timings else None
        return TokenOut(token, token == EOS, -0.25 if job.n_probs else None, top, timings.predicted_n, timed)

    def _report(self, job: Job) -> CacheReport:
        tokens = job.tokens.tolist()
        paths = self._known.setdefault(job.namespace, []) if job.use_cache else []
        n_known = max((_common(tokens, path) for path in paths), default=0)
        self._known.setdefault(job.namespace, []).append(tokens)
        n_read = len(tokens) - n_known
        origin, tier, age_s = ("prompt_end", "parked", 1.0) if n_known else ("", "", 0.0)
        return CacheReport(
            n_prompt=len(tokens),
            n_known=n_known,
            n_reused=n_known,
            n_read=n_read,
            new=n_read,
            no_checkpoint_here=0,
            evicted=0,
            damaged=0,
            last_token=0,
            incompatible=0,
            cheaper_to_read=0,
            not_fetched=0,
            from_origin=origin,
            from_tier=tier,
            from_age_s=age_s,
        )


T = TypeVar("T")


def _done(value: T) -> "Future[T]":
    future: Future[T] = Future()
    future.set_result(value)
    return future


def _common(a: list[int], b: list[int]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
