"""Runs slow jobs on a background thread; the engine's thread collects the results."""

from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from queue import Empty, SimpleQueue
from typing import TypeVar

_T = TypeVar("_T")


class Worker:
    """Runs jobs one after another on a thread that may be shared. Belongs to the engine's thread.

    `wake` is called from the worker's thread after each job, when a result is ready for `collect`.
    """

    def __init__(self, thread: Executor, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._done: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._thread = thread
        self.n_pending = 0

    def submit(self, job: Callable[[], _T], then: Callable[[_T], None], failed: Callable[[Exception], None]) -> None:
        """Queue a job; `collect` calls `then` with its result, or `failed` with its exception."""
        self.n_pending += 1
        self._thread.submit(self._run, job, then, failed)

    def collect(self) -> None:
        """Take over the results of finished jobs."""
        while True:
            try:
                done = self._done.get_nowait()
            except Empty:
                return
            self._deliver(done)

    def wait(self) -> None:
        """Wait for one pending job, and take over its result."""
        self._deliver(self._done.get())

    def finish(self) -> None:
        """Wait until all jobs are done, and take over their results."""
        while self.n_pending:
            self.wait()

    def _deliver(self, done: Callable[[], None]) -> None:
        self.n_pending -= 1
        done()

    def _run(self, job: Callable[[], _T], then: Callable[[_T], None], failed: Callable[[Exception], None]) -> None:
        try:
            result = job()
        except Exception as error:
            self._done.put(partial(failed, error))
        else:
            self._done.put(partial(then, result))
        self._wake()
