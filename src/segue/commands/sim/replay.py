"""`segue sim replay` on the command line."""

from typing import Annotated

from cyclopts import Parameter

from segue.commands.sim.parameters import (
    BESIDE,
    MACHINE,
    UNBOUNDED,
    Beside,
    Capacities,
    FormatOption,
    Machine,
    Policies,
    TracePath,
)
from segue.sim.registry import POLICIES


def replay(
    trace: TracePath,
    /,
    *,
    format_: FormatOption,
    policy: Policies = tuple(POLICIES),
    capacity: Capacities = UNBOUNDED,
    beside: Beside = BESIDE,
    machine: Machine = MACHINE,
    json: Annotated[bool, Parameter(negative="", show_default=False)] = False,
) -> int:
    """Replay a recording under policies, and say how many prompt tokens need not be read.

    Parameters
    ----------
    json
        Print one JSON object a line for each policy and capacity.
    """
    from rich.console import Console

    from segue.commands.sim.table import as_json, table
    from segue.sim.run import run

    requests = beside.load(trace, format_)
    results = run(requests, policy, capacity, machine.cost)
    console = Console(highlight=False)
    if json:
        console.out(as_json(results))
    else:
        console.print(f"{len(requests.requests):,} requests, {requests.n_prompt_tokens:,} prompt tokens", "")
        console.print(table(results))
    return 0
