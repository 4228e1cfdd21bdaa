"""Random requests, four at a time, with tight budgets: every reply is the uncached one."""

from collections import deque
from typing import Any

import pytest

from segue.loop.end import EndReason
from tests.kit.conversation import Prompt
from tests.kit.crowd import Crowd, leaving
from tests.kit.models import model_path
from tests.kit.reference import Reference
from tests.kit.rig import Heard, Rig


def run(model: str, n_requests: int, seed: int) -> None:
    """Serve a crowd, four at a time, and compare every reply, cancelled ones as far as they came."""
    limit_bytes = 400_000
    sizes: dict[str, Any] = {
        "n_slots": 4,
        "n_cells": 4096,
        "n_parked": 5,
        "n_host_bytes": limit_bytes,
        "n_ctx": 1024,
        "n_batch": 256,
    }
    rig = Rig(model_path(model), **sizes, idle_s=0.0)
    reference = Reference(model_path(model))
    crowd = Crowd(seed)
    running: deque[tuple[Prompt, Heard]] = deque()
    n_read = n_prompt = 0
    for i in range(n_requests):
        prompt, n_predict = crowd.prompt(), 90 if i % 5 == 0 else 6
        heard = leaving(crowd.n_until_cancelled())
        rig.send(prompt.tokens, n_predict, marks=prompt.marks, heard=heard, may_be_interrupted=True)
        running.append((prompt, heard))
        if len(running) == 4:
            prompt, heard = running.popleft()
            assert heard.wait().reason is not EndReason.ERROR, heard.end
            rig.check()
            reference.agrees(prompt.tokens, heard)
            assert rig.cache.host.budget.used_bytes <= limit_bytes
            n_read += heard.n_read
            n_prompt += prompt.n
    for _, heard in running:
        heard.wait()
    rig.check()
    assert rig.cache.host.budget.peak_bytes <= limit_bytes
    assert rig.cache.evictor.n_evicted > 0, "the budgets were meant to be too small"
    print(f"{model}: read {n_read} of {n_prompt} prompt tokens, {rig.cache.evictor.n_evicted} evictions")
    rig.close()


def test_random_requests(model_name: str) -> None:
    run(model_name, 60, seed=1)


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [2, 3])
def test_a_thousand_random_requests(seed: int) -> None:
    run("qwen35", 1000, seed)
