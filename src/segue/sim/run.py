"""Runs several policies at several capacities on one trace, with a progress bar."""

import sys
from collections.abc import Sequence
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.registry import POLICIES, Setting
from segue.sim.replay import Result, oracle_hit_tokens, replay
from segue.sim.trace import Trace


def run(trace: Trace, policies: Sequence[str], capacities: Sequence[Capacity], cost: Cost) -> list[Result]:
    """Replay the trace under each policy at each capacity, those of one policy together.

    The bar goes to standard error, and only if that is a terminal.
    """
    n_oracle = oracle_hit_tokens(trace)
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    results = []
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        for name in policies:
            for capacity in capacities:
                task = bar.add_task(f"{name} {capacity}", total=len(trace.requests))
                policy = POLICIES[name](Setting(trace, cost.model, capacity, cost.prices))
                tick = partial(bar.advance, task)
                results.append(
                    replay(trace, policy, cost, name=name, capacity=str(capacity), n_oracle=n_oracle, tick=tick)
                )
                bar.remove_task(task)
    return results
