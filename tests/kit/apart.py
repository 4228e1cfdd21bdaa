"""Code that may end its process, run in one of its own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

PRELUDE: Final = """
import numpy as np
from pathlib import Path
from segue.engine.base import LAST_ROW, Chunk
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.embedder import Embedder, EmbedderParams
from segue.engine.errors import EngineError
from segue.engine.model import Model
from segue.engine.sampling import SamplingParams
from tests.kit.conversation import text
from tests.kit.models import model_path

def make(path, **sizes):
    model = Model(path)
    params = ContextParams(**{"n_cells": 512, "n_seq_max": 4, "n_threads": 1} | sizes)
    return Context(model, params, measure(model, params))
"""


def environment() -> dict[str, str]:
    """This process's, in which libllama prints no backtrace before it aborts."""
    return os.environ | {"GGML_NO_BACKTRACE": "1"}


def apart(code: str, *arguments: str) -> str:
    """What `code` prints after the prelude. Raises AssertionError if its process does not reach the end."""
    command = [sys.executable, "-c", f"{PRELUDE}\nimport sys\n{code}\nprint('end')", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, f"the process ended with {done.returncode}: {done.stderr[-3000:]}"
    assert done.stdout.endswith("end\n")
    return done.stdout.removesuffix("end\n").strip()
