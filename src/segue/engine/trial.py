"""Tries ways to load a model in a process of its own, where libllama aborts instead of refusing them."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

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
    computes = any(isinstance(value, float) for _, value in overrides)
    if _aborts(path, ModelParams(n_gpu_layers=0, overrides=tuple(overrides)), computes=computes):
        keys = ", ".join(key for key, _ in overrides)
        raise ModelError(f"--override-kv: libllama cannot load {path.name} with these values of {keys}")


def try_tensor_split(path: Path, params: ModelParams) -> None:
    """Load a model whose tensors are split over devices, and read a token. Raises ModelError if libllama aborts.

    Takes as long as loading the model. What libllama refuses without aborting is left to the caller's own load.
    """
    if _aborts(path, params, computes=True):
        raise ModelError(
            f"--split-mode tensor: libllama cannot compute with {path.name} split like that; pass --split-mode layer"
        )


def _aborts(path: Path, params: ModelParams, *, computes: bool) -> bool:
    command = [sys.executable, "-m", __name__, str(path), str(int(computes))]
    # With a debugger at hand, libllama would print where it was.
    environment = os.environ | {"GGML_NO_BACKTRACE": "1"}
    asked = json.dumps(asdict(params)).encode()
    return subprocess.run(command, input=asked, env=environment, capture_output=True, check=False).returncode < 0


def _load(path: Path, params: ModelParams, *, computes: bool) -> None:
    model = Model(path, params)
    context = create_context(model, ContextParams(n_cells=_N_CELLS, n_seq_max=1, n_batch=1, n_ubatch=1))
    if computes:
        llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one((ctypes.c_int32 * 1)(0), 1))


def _params(values: dict[str, Any]) -> ModelParams:
    """From JSON, which has lists in place of tuples."""
    return ModelParams(**{name: _frozen(value) for name, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


if __name__ == "__main__":
    try:
        _load(Path(sys.argv[1]), _params(json.load(sys.stdin)), computes=sys.argv[2] == "1")
    except ModelError:
        sys.exit(1)
