"""Tries patterns of tensors' names in a process of its own, since some of them crash libllama or never end."""

import ctypes
import json
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import llama_cpp

from segue.engine import libllama
from segue.engine.errors import ModelError
from segue.engine.placement import HOST, buffer_overrides

_OVERRIDDEN = re.compile(r"tensor (\S+) \(.*buffer type overridden to")
# A pattern may take this long, and as much again as all loads of the file's header so far.
_MOST_CPU_S = 5
_MOST_LOADS = 2
_MOST_SHOWN = 100


def matched_tensors(path: Path, patterns: Sequence[str]) -> list[frozenset[str]]:
    """The tensors of a file that each pattern matches, by itself. Raises ModelError for one that libllama cannot use.

    Only the file's header is read, which takes a second or two. A file that cannot be loaded matches nothing.
    """
    command = [sys.executable, "-m", __name__, str(path)]
    environment = os.environ | {"GGML_NO_BACKTRACE": "1"}
    asked = json.dumps(list(patterns)).encode()
    done = subprocess.run(command, input=asked, env=environment, capture_output=True, check=False)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode < 0 and found:
        found.append(None)
    for names, pattern in zip(found[1:], patterns, strict=False):
        if names is None:
            raise ModelError(
                f"--override-tensor: {_shortened(pattern)} is no regular expression that libllama can use;"
                " it takes those of ECMAScript"
            )
    return [frozenset(names) for names in found[1:]] or [frozenset()] * len(patterns)


def _try(path: Path, patterns: Iterable[str]) -> None:
    """Print a line for the file without a pattern, then one for each pattern: the tensors that match, or null."""
    lines: list[str] = []
    on_log = llama_cpp.llama_log_callback(lambda _level, text, _data: lines.append(text.decode("utf-8", "replace")))
    libllama.start()
    llama_cpp.llama_log_set(on_log, ctypes.c_void_p(0))
    if not _loads(path):
        return
    print("[]", flush=True)
    for pattern in patterns:
        lines.clear()
        _limit_cpu_time()
        is_usable = _loads(path, pattern)
        names = [found[1] for line in lines if (found := _OVERRIDDEN.search(line))]
        print(json.dumps(names if is_usable else None), flush=True)


def _limit_cpu_time() -> None:
    """Let the system end this process if the next pattern takes too long."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(_MOST_LOADS * (used.ru_utime + used.ru_stime)) + _MOST_CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.RLIM_INFINITY))


def _shortened(pattern: str) -> str:
    return repr(pattern if len(pattern) <= _MOST_SHOWN else f"{pattern[:_MOST_SHOWN]}...")


def _loads(path: Path, pattern: str | None = None) -> bool:
    native = llama_cpp.llama_model_default_params()
    native.no_alloc, native.load_mode, native.n_gpu_layers = True, 0, 0
    places = buffer_overrides([(pattern, HOST)] if pattern is not None else [])
    native.tensor_buft_overrides = ctypes.cast(places, ctypes.c_void_p)
    handle = llama_cpp.llama_model_load_from_file(str(path).encode(), native)
    llama_cpp.llama_model_free(handle)
    return bool(handle)


if __name__ == "__main__":
    _try(Path(sys.argv[1]), json.load(sys.stdin))
