"""Interrupted replies that are still being stored after their clients have gone."""

import asyncio
import threading
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

_WAIT_S = 1.0


class Farewells:
    """The interrupted replies that are not remembered yet, by namespace.

    A client that interrupts a reply often sends its next request at once: that request waits until the reply is
    remembered, for a second at most. `executor` remembers replies, since the requests that wait may take all other
    worker threads.
    """

    def __init__(self) -> None:
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="segue-farewell")
        self._tasks: set[asyncio.Task[None]] = set()
        self._n_left: Counter[str] = Counter()
        self._condition = threading.Condition()

    def begin(self, namespace: str) -> None:
        """A client whose reply still has to be remembered has disconnected; `run` must follow."""
        with self._condition:
            self._n_left[namespace] += 1

    def run(self, namespace: str, farewell: Coroutine[None, None, None]) -> None:
        """Remember the replies of a client that has gone, with this coroutine. On the event loop only."""
        task = asyncio.create_task(farewell)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._end(namespace, done))

    def wait(self, namespace: str) -> None:
        """Return once all interrupted replies of a namespace are remembered, or time is up. Blocks a worker thread."""
        with self._condition:
            self._condition.wait_for(lambda: not self._n_left[namespace], _WAIT_S)

    def _end(self, namespace: str, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        with self._condition:
            self._n_left[namespace] -= 1
            self._condition.notify_all()
