"""`segue sim tune` on the command line."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from segue.commands.sim.parameters import BESIDE, MACHINE, TIGHT, Beside, Capacities, FormatOption, Machine, TracePath
from segue.sim.trace import Format


def _others(_: Any, tokens: Sequence[Token]) -> tuple[tuple[Format, Path], ...]:
    return tuple((Format(form), Path(path)) for form, _, path in (token.value.partition("=") for token in tokens))


Others = Annotated[
    tuple[tuple[Format, Path], ...],
    Parameter(name="--also", converter=_others, n_tokens=1, allow_repeating=True, negative="", show_default=False),
]


def tune(
    trace: TracePath,
    /,
    *,
    format_: FormatOption,
    capacity: Capacities = TIGHT,
    also: Others = (),
    beside: Beside = BESIDE,
    machine: Machine = MACHINE,
) -> int:
    """Search the parameters by which Segue decides what to keep on one recording, and judge them on all.

    Prints the parameters found as JSON, and for each recording and room the share of the oracle's hits before and
    after. Parameters that only help the recording they were searched on are fitted to it: leave them.

    Parameters
    ----------
    also
        Another recording to judge on, as FORMAT=PATH; may be given more than once.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from segue.commands.grid import grid
    from segue.policy.retention import RetentionParameters
    from segue.sim.tune import Bench, n_tries
    from segue.sim.tune import tune as search

    benches = [Bench(beside.load(path, form), capacity, machine.cost.model) for form, path in ((format_, trace), *also)]
    progress = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=progress, transient=True, disable=not progress.is_terminal) as bar:
        task = bar.add_task("parameters tried", total=n_tries())
        tuned = search(benches[0], lambda: bar.advance(task))
    made = grid(
        ("recording", "left", "bold"), ("room", "right", ""), ("before", "right", ""), ("after", "right", "green")
    )
    for bench in benches:
        pairs = zip(bench.shares(RetentionParameters()), bench.shares(tuned.parameters), strict=True)
        for room, (before, after) in zip(capacity, pairs, strict=True):
            made.add_row(bench.trace.name, str(room), f"{100 * before:.2f} %", f"{100 * after:.2f} %")
    console = Console(highlight=False)
    console.out(json.dumps(asdict(tuned.parameters), indent=2))
    console.print(made)
    return 0
