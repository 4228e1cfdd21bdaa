"""How long each step of a loop spends outside libllama, measured at the two calls that a step makes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llama_cpp


class Stopwatch:
    """Of every step, from one decode's end to the next one's end: the seconds that were not libllama's."""

    def __init__(self) -> None:
        self.outside_s: list[float] = []
        self._inside_s = 0.0
        self._last_end = 0.0

    def timed(self, function: Callable[..., Any], *, ends_step: bool) -> Callable[..., Any]:
        """The same function, its time counted as libllama's; one that `ends_step` closes the step."""

        def call(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments)
            ended = time.perf_counter()
            self._inside_s += ended - started
            if ends_step:
                if self._last_end:
                    self.outside_s.append(ended - self._last_end - self._inside_s)
                self._last_end, self._inside_s = ended, 0.0
            return result

        return call


@contextmanager
def watching_libllama() -> Iterator[Stopwatch]:
    """Time decoding and sampling of whoever calls them through `llama_cpp` meanwhile, on one thread."""
    watch = Stopwatch()
    decode, sample = llama_cpp.llama_decode, llama_cpp.llama_sampler_sample
    llama_cpp.llama_decode = watch.timed(decode, ends_step=True)
    llama_cpp.llama_sampler_sample = watch.timed(sample, ends_step=False)
    try:
        yield watch
    finally:
        llama_cpp.llama_decode, llama_cpp.llama_sampler_sample = decode, sample
