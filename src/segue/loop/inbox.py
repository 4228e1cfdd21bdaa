"""The queue from the HTTP threads to the engine's thread."""

import itertools
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from segue.loop.front import Listener
from segue.loop.job import Job

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class Submission:
    """A submitted job; also the ticket that the submitter gets."""

    id: int
    job: Job
    listener: Listener
    inbox: "Inbox" = field(repr=False)
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Ask the loop to stop the job soon; any thread, any number of times."""
        self.is_cancelled = True
        self.inbox.wake()


class Inbox:
    """The requests of other threads to the engine's thread: jobs, cancellations, calls and the end."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._jobs: deque[Submission] = deque()
        self._calls: deque[Callable[[], None]] = deque()
        self._ids = itertools.count(1)
        self.is_awake = False
        self.is_closed = False

    def submit(self, job: Job, listener: Listener) -> Submission:
        """Queue a job; any thread. Raises RuntimeError once the loop has ended."""
        with self._condition:
            if self.is_closed:
                raise RuntimeError("the server is shutting down")
            submission = Submission(next(self._ids), job, listener, self)
            self._jobs.append(submission)
            self.is_awake = True
            self._condition.notify()
        return submission

    def call(self, function: Callable[[], T]) -> "Future[T]":
        """Run a function on the engine's thread between two batches; any thread."""
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        with self._condition:
            if self.is_closed:
                raise RuntimeError("the server is shutting down")
            self._calls.append(run)
            self.is_awake = True
            self._condition.notify()
        return future

    def wake(self) -> None:
        """Wake the engine's thread; any thread."""
        with self._condition:
            self.is_awake = True
            self._condition.notify()

    def close(self) -> None:
        """Ask the loop to end; any thread."""
        with self._condition:
            self.is_closed = True
            self._condition.notify()

    def drain(self, wait_s: float | None) -> tuple[list[Submission], list[Callable[[], None]]]:
        """Take all jobs and calls; waits for up to `wait_s` (None: without limit) until there are any, or for the end.

        Engine's thread only.
        """
        with self._condition:
            self._condition.wait_for(lambda: self.is_awake or self.is_closed, wait_s)
            self.is_awake = False
            jobs, calls = list(self._jobs), list(self._calls)
            self._jobs.clear()
            self._calls.clear()
        return jobs, calls
