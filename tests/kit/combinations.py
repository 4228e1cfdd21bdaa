"""Random combinations of a server's sizes, started one after the other in a process of its own.

libllama ends the process where it finds sizes that it cannot take. So each combination is printed before it is
started, and what came of it after: the last line then names the one that ended the process.
"""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from unittest.mock import Mock, patch

import numpy as np
from pydantic import ValidationError

from segue.build import Built, build
from segue.engine.creation import KV_TYPES
from segue.engine.errors import ModelError
from segue.loop.end import EndReason
from segue.loop.job import Job
from segue.policy.prompt_marks import PromptMarks
from segue.settings import Settings
from segue.settings.fields import INT32_MAX
from segue.settings.flags import explain
from tests.kit.apart import ROOT, environment
from tests.kit.conversation import text
from tests.kit.models import MODELS, model_path
from tests.kit.rig import GREEDY, Heard
from tests.kit.waiting import PATIENCE_S

N_JOBS: Final = 12
_FREE_BYTES = 512 << 20
_MODULE = "tests.kit.combinations"


def draw(number: int) -> dict[str, Any]:
    """The settings of one combination, by their names; the kinds of memory take turns."""
    rng = random.Random(number)
    types = ["f16", "f16", "f32", *KV_TYPES]
    return {
        "model": list(MODELS)[number % len(MODELS)],
        "batch_size": rng.choice([1, 2, 3, 7, 16, 64, 100, 512, 2048, INT32_MAX]),
        "ubatch_size": rng.choice([1, 2, 5, 16, 64, 128, 512, INT32_MAX]),
        "parallel": rng.choice([1, 2, 3, 4, 8, 33, 64, 100, 200]),
        "ctx_size": rng.choice([0, 1, 2, 3, 100, 256, 257, 1000, 4096, 131072, 200000, INT32_MAX]),
        "cache_parked": rng.choice([None, None, 0, 1, 3, 16, 64, 1024, 10**6]),
        "cache_ram": rng.choice([None, 0, 1, 64]),
        "cache_type_k": rng.choice(types),
        "cache_type_v": rng.choice(types),
        "flash_attn": rng.choice(["auto", "on", "off"]),
        "threads": rng.choice([1, 2]),
        "reproducible": rng.random() < 0.25,
    }


def start(number: int) -> str:
    """Start a combination, let it read on some slots and reply, and stop it; what came of it, in a line."""
    settings = draw(number)
    settings["model"] = str(model_path(settings["model"]))
    try:
        built = build(Settings(**settings), lambda _share: None, lambda _id, _end: None)
    except ValidationError as error:
        return f"refused: {explain(error)}"
    except ModelError as error:
        return f"refused: {error}"
    try:
        return _use(built, random.Random(number))
    finally:
        built.close()


def _use(built: Built, rng: random.Random) -> str:
    loop = built.loop
    most = min(loop.n_ctx - 1, 60)
    if most < 1:
        return "started"
    n_jobs = min(N_JOBS, len(loop.slots()))
    asked = []
    for i in range(n_jobs):
        heard = Heard()
        tokens = text(rng.randrange(3), rng.randint(1, most))
        loop.submit(Job(tokens=tokens, sampling=GREEDY, marks=PromptMarks(), n_predict=4, n_probs=i % 3), heard)
        asked.append(heard)
    ends = [heard.wait() for heard in asked]
    errors = [end.error.message for end in ends if end.error is not None]
    if errors or any(end.reason is EndReason.ERROR for end in ends):
        return f"failed: {errors}"
    loop.call(loop.cache.check_integrity).result(timeout=PATIENCE_S)
    if rng.random() < 0.2:
        try:
            vector = built.embeddings.embed(text(1, min(most, built.embeddings.n_tokens))).result(timeout=PATIENCE_S)
        except ModelError as error:
            return f"started, without embeddings: {error}"
        if not np.isfinite(vector).all():
            return "failed: an embedding is not finite"
    return "started"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one combination: `started`, or a line that says why not."""

    number: int
    settings: dict[str, Any]
    line: str


def run_apart(numbers: range) -> list[Outcome]:
    """Start these combinations in a process of its own. Raises AssertionError, naming the one that ended it."""
    command = [sys.executable, "-m", _MODULE, str(numbers.start), str(numbers.stop), str(numbers.step)]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    lines = done.stdout.splitlines()
    outcomes = [Outcome(n, draw(n), line) for n, line in zip(numbers, lines[1::2], strict=False)]
    assert done.returncode == 0, f"{lines[-1] if lines else 'nothing'} ended the process: {done.stderr[-4000:]}"
    assert len(outcomes) == len(numbers)
    return outcomes


def main(arguments: Sequence[str]) -> None:
    """Print each combination and what came of it, two lines each."""
    with patch("psutil.virtual_memory", return_value=Mock(available=_FREE_BYTES, total=2 * _FREE_BYTES)):
        for number in range(*map(int, arguments)):
            print(json.dumps({"number": number} | draw(number)), flush=True)
            line = start(number)
            print(line.replace("\n", "\\n"), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
