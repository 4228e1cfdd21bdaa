"""Tries metadata overrides in a process of its own, since libllama aborts on many values instead of refusing them."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import llama_cpp

from segue.engine.context_params import ContextParams, create_context
from segue.engine.errors import ModelError
from segue.engine.kv_overrides import Value
from segue.engine.model import Model, ModelParams

_N_CELLS = 256


def try_overrides(path: Path, overrides: Sequence[tuple[str, Value]]) -> None:
    """Load a model with overrides, and free it. Raises ModelError if libllama aborts; takes a second or two.

    The weights are mapped, and hardly read unless a number with a fraction is replaced: libllama looks at those only
    when it computes. What it refuses without aborting is left to the caller's own load.
    """
    command = [sys.executable, "-m", __name__, str(path), json.dumps(overrides)]
    # With a debugger at hand, libllama would print where it was.
    environment = os.environ | {"GGML_NO_BACKTRACE": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    if done.returncode < 0:
        keys = ", ".join(key for key, _ in overrides)
        raise ModelError(f"--override-kv: libllama cannot load {path.name} with these values of {keys}")


def _load(path: Path, overrides: Sequence[tuple[str, Value]]) -> None:
    model = Model(path, ModelParams(n_gpu_layers=0, overrides=tuple(overrides)))
    context = create_context(model, ContextParams(n_cells=_N_CELLS, n_seq_max=1, n_batch=1, n_ubatch=1))
    if any(isinstance(value, float) for _, value in overrides):
        llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one((ctypes.c_int32 * 1)(0), 1))


if __name__ == "__main__":
    try:
        _load(Path(sys.argv[1]), [(key, value) for key, value in json.loads(sys.argv[2])])
    except ModelError:
        sys.exit(1)
