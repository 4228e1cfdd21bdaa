"""`python -m bench.gpu [--model model.gguf] [--out DIR]`: what only a GPU can show, in less than eight minutes.

What `segue doctor` sees, the tests that states come back exactly on the device, how long copies take, and how fast both
servers are. Nothing is built: llama-cpp-python is used as it is installed. Without a GPU all of it runs in short
settings, to see that it works.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.options import Options
from segue.engine.libllama import has_gpu
from tests.kit.models import model_path

_ROOT: Final = Path(__file__).parents[1]
_MODEL: Final = "qwen35-140m"
_TESTS: Final = ("tests/engine/test_exactness.py", "tests/engine/test_conformance.py")
_SPEED_S: Final = 100
"""After this, no further round is begun: the last one may be of eight long replies from a large model."""
_END_S: Final = 10


@dataclass(frozen=True, slots=True)
class _Step:
    """A command, and the seconds after which it is told to end."""

    what: str
    limit_s: float
    command: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Done:
    """What a step printed, how long it took, and whether it did all that it should."""

    what: str
    text: str
    seconds: float
    verdict: str


def main() -> int:
    """Take all steps, and write the report; 1 if one of them failed or was stopped."""
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description="Show what only a GPU can show.")
    parser.add_argument("--model", type=Path, help="a GGUF file; two servers hold it at once. Default: a tiny model")
    parser.add_argument("--out", type=Path, default=Options().out / "gpu", help="folder of the report: %(default)s")
    flags = parser.parse_args()
    console = Console(highlight=False)
    done = []
    for step in _steps(flags.model, flags.out):
        console.rule(step.what)
        done.append(_take(step))
        console.print(done[-1].text, markup=False, soft_wrap=True)
    console.print(_table(done))
    path = _write(done, flags.out)
    console.print(f"wrote {path}")
    return int(any(one.verdict != "done" for one in done))


def _steps(model: Path | None, out: Path) -> Iterator[_Step]:
    python, measures = sys.executable, ["--only", "copies,speed", "--out", str(out)]
    if model is not None or has_gpu():
        model = model or model_path(_MODEL)
        measures += ["--model", str(model), "--repeats", "2", "--limit", str(_SPEED_S)]
    else:
        measures += ["--quick"]
    told = ["-m", str(model)] if model is not None else []
    yield _Step("what segue doctor sees", 60, [python, "-m", "segue", "doctor", *told])
    real = ["-k", "not Fake and not Drafting", "-n", "auto"]
    yield _Step("states come back exactly", 150, [python, "-m", "pytest", "-q", *_TESTS, *real])
    yield _Step("copies, and speed beside llama-server", 240, [python, "-m", "bench", *measures])


def _take(step: _Step) -> _Done:
    started = time.monotonic()
    process = subprocess.Popen(
        step.command, cwd=_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    try:
        text, _ = process.communicate(timeout=step.limit_s)
        verdict = f"failed with code {process.returncode}" if process.returncode else "done"
    except subprocess.TimeoutExpired:
        text, verdict = _ended(process), f"stopped after {step.limit_s:.0f} s"
    return _Done(step.what, text, time.monotonic() - started, verdict)


def _ended(process: "subprocess.Popen[str]") -> str:
    """Let a process end its own children; what it had printed."""
    process.terminate()
    try:
        return process.communicate(timeout=_END_S)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()[0]


def _table(done: Sequence[_Done]) -> Table:
    table = Table("step", "seconds", "")
    for one in done:
        table.add_row(one.what, f"{one.seconds:.0f}", one.verdict)
    table.add_row("in all", f"{sum(one.seconds for one in done):.0f}", "", style="bold")
    return table


def _write(done: Sequence[_Done], out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    path = out / "gpu.md"
    lines = ["# Segue on this machine's devices", "", "| step | seconds | |", "|---|---:|---|"]
    lines += [f"| {one.what} | {one.seconds:.0f} | {one.verdict} |" for one in done]
    for one in done:
        lines += ["", f"## {one.what.capitalize()}", "", "```", one.text.rstrip(), "```"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    sys.exit(main())
