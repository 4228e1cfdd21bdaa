"""Random requests, four at a time, with tight budgets: every reply is the uncached one."""

import threading
from collections import deque

import numpy as np
import pytest

from segue.loop.job import EndReason
from tests.kit.conversation import Prompt, chat, raw, text
from tests.kit.models import model_path
from tests.kit.reference import Reference
from tests.kit.rig import Heard, Rig

SYSTEM = ("system", text(1, 120))


class Crowd:
    """Makes up requests: new conversations, follow-ups, edits, forks, retries, undone turns."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._known: list[list[tuple[str, np.ndarray]]] = [[SYSTEM, ("user", text(2, 60))]]

    def prompt(self) -> Prompt:
        """One more request of somebody."""
        choice = self._random.integers(0, 8)
        turns = list(self._known[self._random.integers(0, len(self._known))])
        if choice == 0:
            turns = [SYSTEM, ("user", self._text())]
        elif choice == 1:
            return raw(turns[-1][1], self._text())
        elif choice == 2 and len(turns) > 3:
            turns = turns[:-2]
        elif choice == 3:
            turns[-1] = (turns[-1][0], np.concatenate([turns[-1][1][:-5], self._text()]))
        elif choice < 7:
            turns += [("assistant", self._text()), ("user", self._text())]
        if chat(*turns).n > 900:
            turns = [SYSTEM, ("user", self._text())]
        self._known = [*self._known[-20:], turns]
        return chat(*turns)

    def n_until_cancelled(self) -> int:
        """How much the client hears before it leaves; mostly it stays."""
        return int(self._random.integers(0, 6)) if self._random.random() < 0.15 else 1 << 30

    def _text(self) -> np.ndarray:
        return text(int(self._random.integers(0, 12)), int(self._random.integers(1, 150)))


def leaving(n_left: int) -> Heard:
    """A listener that cancels its request after it heard so much."""
    heard = Heard()
    lock = threading.Lock()
    left = [n_left]

    def on_each() -> None:
        with lock:
            left[0] -= 1
        if left[0] < 0 and heard.submission is not None:
            heard.submission.cancel()

    heard.on_each = on_each
    return heard


def run(model: str, n_requests: int, seed: int) -> None:
    """Serve a crowd, four at a time, and compare every reply, cancelled ones as far as they came."""
    limit_bytes = 400_000
    rig = Rig(model_path(model), n_slots=4, n_cells=4096, n_parked=5, n_host_bytes=limit_bytes, n_ctx=1024, n_batch=256)
    reference = Reference(model_path(model))
    crowd = Crowd(seed)
    running: deque[tuple[Prompt, Heard]] = deque()
    n_read = n_prompt = 0
    for _ in range(n_requests):
        prompt = crowd.prompt()
        heard = rig.send(prompt.tokens, 6, marks=prompt.marks, heard=leaving(crowd.n_until_cancelled()))
        running.append((prompt, heard))
        if len(running) == 4:
            prompt, heard = running.popleft()
            assert heard.wait().reason is not EndReason.ERROR, heard.end
            rig.check()
            reference.agrees(prompt.tokens, heard)
            assert rig.keeper.space.host.used_bytes <= limit_bytes
            n_read += heard.n_read
            n_prompt += prompt.n
    for _, heard in running:
        heard.wait()
    rig.check()
    assert rig.keeper.space.host.peak_bytes <= limit_bytes
    assert rig.keeper.space.n_evicted > 0, "the budgets were meant to be too small"
    print(f"{model}: read {n_read} of {n_prompt} prompt tokens, {rig.keeper.space.n_evicted} evictions")
    rig.close()


def test_random_requests(model_name: str) -> None:
    run(model_name, 60, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [2, 3])
def test_a_thousand_random_requests(seed: int) -> None:
    run("qwen35", 1000, seed)
