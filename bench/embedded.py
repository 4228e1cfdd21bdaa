"""Segue without HTTP: its loop in this process, as a server would build it, asked and timed directly."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.build import Built, build
from segue.engine.sampling import SamplingParams
from segue.loop.job import EndReason, Job, JobEnd, Progress, TokenOut
from segue.settings import Settings
from segue.state.placement import PromptMarks

Tokens = NDArray[np.int32]
_GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)


class _Waiter:
    """A listener that waits for the ends of some jobs, and notes when their first token came and their last one."""

    def __init__(self, n_jobs: int) -> None:
        self._n_left = n_jobs
        self._failed: list[JobEnd] = []
        self._is_over = threading.Event()
        self._first = self._last = 0.0

    def on_progress(self, progress: Progress) -> None:
        """Ignore it."""

    def on_token(self, token: TokenOut) -> bool:  # noqa: ARG002
        """Note the time, and go on."""
        self._last = time.perf_counter()
        self._first = self._first or self._last
        return False

    def on_end(self, end: JobEnd) -> None:
        """Count it."""
        self._n_left -= 1
        if end.reason is EndReason.ERROR:
            self._failed.append(end)
        if self._n_left == 0:
            self._is_over.set()

    def wait(self) -> None:
        """Return when all are over; RuntimeError if one failed."""
        self._is_over.wait()
        if self._failed:
            raise RuntimeError(str(self._failed[0].error))

    @property
    def generating_s(self) -> float:
        """Seconds from the first token of all to the last."""
        return self._last - self._first


class Embedded:
    """A loaded model with Segue's loop running."""

    def __init__(self, model: Path, *, n_ctx: int, n_slots: int, n_threads: int) -> None:
        settings = Settings(model=str(model), ctx_size=n_ctx, parallel=n_slots, threads=n_threads)
        # Every thread that ever computed keeps OpenMP workers while it lives, and too many of them stop waiting busily:
        # a token of a small model then takes several times as long. A server loads on a thread that ends, and so here.
        with ThreadPoolExecutor(1) as loader:
            self.built: Built = loader.submit(build, settings, lambda _: None, lambda _id, _end: None).result()
        self._settings = settings

    @property
    def n_cells(self) -> int:
        """Cells of its context."""
        return self.built.engine.n_cells

    @property
    def n_seq_max(self) -> int:
        """Sequences of its context."""
        return self.built.engine.n_seq_max

    @property
    def batch_sizes(self) -> tuple[int, int]:
        """Tokens in a logical and in a physical batch."""
        return self.built.engine.n_batch, self.built.engine.n_ubatch

    def run(self, prompts: list[Tokens], n_predict: int, marks: PromptMarks | None = None) -> float:
        """Seconds from handing all prompts over until the last of their replies is over."""
        started = time.perf_counter()
        self._ask(prompts, n_predict, marks or PromptMarks())
        return time.perf_counter() - started

    def generate(self, prompts: list[Tokens], n_predict: int) -> float:
        """Seconds from the first token of all replies to the last one."""
        return self._ask(prompts, n_predict, PromptMarks()).generating_s

    def _ask(self, prompts: list[Tokens], n_predict: int, marks: PromptMarks) -> _Waiter:
        waiter = _Waiter(len(prompts))
        for job in [Job(prompt, _GREEDY, marks, n_predict=n_predict) for prompt in prompts]:
            self.built.loop.submit(job, waiter)
        waiter.wait()
        return waiter

    def on_its_thread(self, measure: Callable[[], float]) -> float:
        """What `measure` says, run on the thread that the loop decodes on, while it is idle."""
        return self.built.loop.call(measure).result()

    def close(self) -> None:
        """End the loop and free the model."""
        self.built.close()
