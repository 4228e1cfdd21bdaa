"""The fate of the prompt tokens of recent requests, for `GET /cache/explain/{id}`. Numbers only, no text."""

import threading
from collections import OrderedDict

from segue.loop.end import JobEnd


class Reports:
    """The ends of the last jobs by id, each readable in its own namespace only. Thread-safe."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._ends: OrderedDict[int, tuple[str, JobEnd]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, job_id: int, namespace: str, end: JobEnd) -> None:
        """Keep a job's end, and forget the oldest beyond capacity."""
        with self._lock:
            self._ends[job_id] = (namespace, end)
            if len(self._ends) > self._capacity:
                self._ends.popitem(last=False)

    def get(self, job_id: int, namespace: str) -> JobEnd | None:
        """A job's end, None if it is not known in this namespace."""
        with self._lock:
            known_namespace, end = self._ends.get(job_id, ("", None))
        return end if known_namespace == namespace else None
