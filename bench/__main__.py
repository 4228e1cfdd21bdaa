"""`python -m bench [--quick] [--only day,ttft] ...`: measure, show tables, write the report."""

import argparse
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from bench import machine, report
from bench.options import Options
from bench.part import PARTS
from bench.row import Row
from bench.server import LLAMA_SERVER, ServerError, has_peer
from bench.table import terminal_table

_WIDTH: Final = 140
_ANY_MODEL: Final = {"speed", "copies"}
_NO_PEER: Final = (
    "llama-server is not here: pip install -e '.[bench]' adds it, in the wheel of xllamacpp. Measuring Segue alone."
)


def main() -> int:
    """Run the parts asked for; 1 if one of them could not be measured, 2 if there is no such peer."""
    # The servers are ended on the way out; a signal must not skip that.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    options = _options()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    if LLAMA_SERVER and shutil.which(LLAMA_SERVER) is None:
        console.print(f"LLAMA_SERVER: there is no program {LLAMA_SERVER}", style="red", markup=False)
        return 2
    if not has_peer():
        console.print(_NO_PEER, style="yellow")
    facts = {
        "model": options.model.name if options.model else options.model_name,
        "threads": str(options.threads),
    } | machine.facts()
    if has_peer() and not machine.is_same_instruction_set(facts):
        facts["warning about builds"] = "the two builds of libllama use different instructions: speeds do not compare"
    if options.is_quick:
        facts["quick run"] = "short settings on the tiny model, to see that all works: the timings mean nothing"
    for name, value in facts.items():
        console.print(f"{name}: {value}", style="yellow" if "warning" in name else "dim", highlight=False)
    rows, failures = _measure(options, console)
    for name, found in report.by_part(rows).items():
        console.print(terminal_table(PARTS[name].title, found))
    for path in report.write(rows, facts, options.out):
        console.print(f"wrote {path}", highlight=False)
    for failure in failures:
        console.print(failure, style="red", highlight=False, markup=False)
    return 1 if failures else 0


def _measure(options: Options, console: Console) -> tuple[list[Row], list[str]]:
    """The rows of all parts that could be measured, and what went wrong with the others."""
    rows: list[Row] = []
    failures: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
        for name in options.parts:
            part = PARTS[name]
            task = progress.add_task(part.title, total=part.n_steps(options))
            try:
                rows += part.run(options, lambda task=task: progress.advance(task))  # type: ignore[misc]
            except (ServerError, RuntimeError, OSError, httpx.HTTPError) as error:
                failures.append(f"{name}: {type(error).__name__}: {error}")
    return rows, failures


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Segue beside llama-server.")
    parser.add_argument("--only", default=",".join(PARTS), help="parts to measure, comma-separated: %(default)s")
    parser.add_argument("--quick", action="store_true", help="short settings on the tiny model, to see that all works")
    parser.add_argument("--threads", type=int, default=0, help="threads of every server; 0 is one for each core")
    parser.add_argument("--repeats", type=int, default=0, help="how often to measure each speed; 0 is each part's own")
    parser.add_argument("--model", type=Path, help=f"a GGUF file, for the parts {' and '.join(sorted(_ANY_MODEL))}")
    parser.add_argument(
        "--limit", type=float, default=Options().limit_s, help="seconds after which speed begins no further round"
    )
    parser.add_argument("--out", type=Path, default=Options().out, help="where to write the report: %(default)s")
    flags = parser.parse_args()
    parts = tuple(name.strip() for name in flags.only.split(",") if name.strip())
    unknown = set(parts) - PARTS.keys()
    if unknown:
        parser.error(f"--only: there is no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if flags.model and not _ANY_MODEL.issuperset(parts):
        parser.error(f"--model: with another model only {' and '.join(sorted(_ANY_MODEL))} can be measured")
    return Options(parts, flags.quick, flags.threads, flags.repeats, flags.out, flags.model, flags.limit)


if __name__ == "__main__":
    sys.exit(main())
