"""Segue without HTTP: its loop in this process, as a server would build it, asked and timed directly."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from segue.build import Built, build
from segue.engine.sampling import SamplingParams
from segue.loop.end import EndReason, JobEnd
from segue.loop.events import Progress, TokenOut
from segue.loop.job import Job
from segue.policy.prompt_marks import PromptMarks
from segue.settings import Settings

Tokens = NDArray[np.int32]
_GREEDY = SamplingParams(temperature=0.0, ignore_eos=True)


class _Listener:
    """Notes when each token of one reply came, and waits for its end."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self._end: Future[JobEnd] = Future()

    def on_progress(self, progress: Progress) -> None:
        """Ignore it."""

    def on_token(self, token: TokenOut) -> bool:  # noqa: ARG002
        """Note the time, and go on."""
        self.times.append(time.perf_counter())
        return False

    def on_end(self, end: JobEnd) -> None:
        """Let `wait` return."""
        self._end.set_result(end)

    def wait(self) -> JobEnd:
        """Return when the reply is over; RuntimeError if it failed."""
        end = self._end.result()
        if end.reason is EndReason.ERROR:
            raise RuntimeError(str(end.error))
        return end


class _Script:
    """Forces a reply, token by token."""

    def __init__(self, reply: list[int]) -> None:
        self._rest = iter([*reply[1:], reply[-1]])
        self._next = reply[0]

    def forced(self) -> int:
        """The next token."""
        return self._next

    def accept(self, token: int) -> None:  # noqa: ARG002
        """Go on."""
        self._next = next(self._rest)


class Embedded:
    """A loaded model with Segue's loop running."""

    def __init__(self, model: Path, *, n_ctx: int, n_slots: int, n_threads: int, drafts: bool = True) -> None:
        spec_type = [] if drafts else ["none"]
        settings = Settings(model=str(model), ctx_size=n_ctx, parallel=n_slots, threads=n_threads, spec_type=spec_type)
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
        """Tokens per second of all replies together, while all are decoding.

        That begins with the last one's second token: until then prompts are read and checkpoints of them taken.
        """
        times = self._ask(prompts, n_predict, PromptMarks())
        start, end = max(one[1] for one in times), min(one[-1] for one in times)
        return sum(start < at <= end for one in times for at in one) / (end - start)

    def script(self, prompt: Tokens, reply: Tokens) -> JobEnd:
        """The end of a request whose reply is this one, whatever the model makes of it; it computes as always."""
        listener = _Listener()
        job = Job(
            tokens=prompt,
            sampling=_GREEDY,
            marks=PromptMarks(),
            n_predict=len(reply),
            make_forcer=lambda: _Script(reply.tolist()),
        )
        self.built.loop.submit(job, listener)
        return listener.wait()

    @contextmanager
    def streaming(self, prompts: list[Tokens]) -> Iterator[list[list[float]]]:
        """Meanwhile replies to these prompts go on and on; when each of their tokens came."""
        listeners = [_Listener() for _ in prompts]
        jobs = [Job(tokens=prompt, sampling=_GREEDY, marks=PromptMarks()) for prompt in prompts]
        tickets = [self.built.loop.submit(job, one) for job, one in zip(jobs, listeners, strict=True)]
        times = [listener.times for listener in listeners]
        while any(len(one) < 2 for one in times):
            time.sleep(0.01)
        try:
            yield times
        finally:
            for ticket in tickets:
                ticket.cancel()
            for listener in listeners:
                listener.wait()

    def _ask(self, prompts: list[Tokens], n_predict: int, marks: PromptMarks) -> list[list[float]]:
        listeners = [_Listener() for _ in prompts]
        jobs = [Job(tokens=prompt, sampling=_GREEDY, marks=marks, n_predict=n_predict) for prompt in prompts]
        for job, listener in zip(jobs, listeners, strict=True):
            self.built.loop.submit(job, listener)
        for listener in listeners:
            listener.wait()
        return [listener.times for listener in listeners]

    def on_its_thread(self, measure: Callable[[], float]) -> float:
        """What `measure` says, run on the thread that the loop decodes on, while it is idle."""
        return self.built.loop.call(measure).result()

    def close(self) -> None:
        """End the loop and free the model."""
        self.built.close()
