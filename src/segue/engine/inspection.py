"""Looks at a model's file in a process of its own, since libllama aborts on some that are damaged."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from segue.engine import libllama
from segue.engine.errors import ModelError
from segue.engine.model import Model, ModelParams
from segue.engine.model_files import model_parts, tensor_sizes


class Damage(StrEnum):
    """The kinds of faults that a model's file may have."""

    MISSING_PART = "missing part"
    CUT_OFF = "cut off"
    NO_WEIGHTS = "no weights"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FileFault:
    """A fault of a model's file, and a sentence without a full stop that describes it."""

    damage: Damage
    text: str


def inspect_model(path: Path) -> FileFault | None:
    """The fault that keeps a file that begins as a GGUF file from being loaded; None if it loads. Reads no weights."""
    environment = os.environ | {"GGML_NO_BACKTRACE": "1"}
    command = [sys.executable, "-m", __name__, str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        return FileFault(Damage.REFUSED, f"libllama fails on {path.name}, which must be damaged")
    found = json.loads(done.stdout.splitlines()[-1])
    return FileFault(Damage(found["damage"]), found["text"]) if found else None


def _fault(path: Path) -> FileFault | None:
    parts = model_parts(path)
    missing = [part.name for part in parts if not part.exists()]
    if missing:
        return FileFault(Damage.MISSING_PART, f"{path.name} is one of {len(parts)} parts, without {', '.join(missing)}")
    try:
        for part in parts:
            n_bytes, n_complete = part.stat().st_size, libllama.complete_bytes(part)
            if n_bytes < n_complete:
                share = f"it has {n_bytes:,} of {n_complete:,} bytes"
                return FileFault(Damage.CUT_OFF, f"{part.name} is cut off: {share}")
        if not tensor_sizes(path):
            return FileFault(Damage.NO_WEIGHTS, f"{path.name} holds a vocabulary, and no weights")
    except OSError as error:
        return FileFault(Damage.CUT_OFF, f"the header of {Path(error.filename or path).name} cannot be read to its end")
    try:
        Model(path, ModelParams(is_dry=True, n_gpu_layers=0, devices=())).close()
    except ModelError as error:
        return FileFault(Damage.REFUSED, str(error))
    return None


if __name__ == "__main__":
    fault = _fault(Path(sys.argv[1]))
    print(json.dumps({"damage": fault.damage, "text": fault.text} if fault else {}))
