"""`segue sim fleet` on the command line."""

import sys
from collections.abc import Sequence
from itertools import product
from typing import Annotated, Any, Final

from cyclopts import Parameter, Token
from cyclopts.types import PositiveFloat

from segue.commands.sim.parameters import MACHINE, Capacities, FormatOption, Machine, TracePath
from segue.sim.capacity import Capacity
from segue.sim.routing import Routing
from segue.sim.trace import Format


def _numbers(_: Any, tokens: Sequence[Token]) -> tuple[float, ...]:
    numbers = tuple(float(word) for token in tokens for word in token.value.split(",") if word)
    if not numbers or min(numbers) <= 0:
        raise ValueError("every number must be above 0")
    return numbers


def _routings(_: Any, tokens: Sequence[Token]) -> tuple[Routing, ...]:
    return tuple(Routing(word) for token in tokens for word in token.value.split(",") if word)


Numbers = Annotated[tuple[float, ...], Parameter(converter=_numbers, n_tokens=1, negative="")]
Routings = Annotated[tuple[Routing, ...], Parameter(converter=_routings, n_tokens=1, negative="", show_default=False)]

_ROOM: Final = (Capacity(16),)


def fleet(
    trace: TracePath,
    /,
    *,
    format_: FormatOption = Format.CLAUDE_CODE,
    replicas: Numbers = (1, 10, 100),
    users: Numbers = (4,),
    routing: Routings = tuple(Routing),
    capacity: Capacities = _ROOM,
    shared_bytes_per_s: PositiveFloat = 1e9,
    seconds: PositiveFloat = 600.0,
    seed: int = 1,
    machine: Machine = MACHINE,
) -> int:
    """Let fleets of replicas serve many users, under each way to route, without and with a shared tier.

    Users replay conversations of the recording and share nothing with each other. The second half of the time counts.

    Parameters
    ----------
    replicas
        How many replicas there are, with commas between several numbers.
    users
        How many users there are for each replica.
    routing
        What decides where a request goes: round-robin, session, prefix or depth; all if absent.
    shared_bytes_per_s
        The rate at which a checkpoint comes from the shared tier, before it is restored.
    seconds
        How long to simulate.
    seed
        The seed with which users draw their conversations.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from segue.commands.grid import grid
    from segue.sim.fleet import Fleet, simulate
    from segue.sim.load import Load
    from segue.sim.trace import Interleaving, load

    offered = Load(load(trace, format_, Interleaving(1)))
    headers = (
        "replicas",
        "users",
        "routing",
        "room",
        "shared",
        "of oracle",
        "shared hits",
        "busy",
        "most",
        "p50 s",
        "p95 s",
    )
    made = grid(*((header, "right", "") for header in headers))
    cases = list(product(replicas, users, routing, capacity, (None, shared_bytes_per_s)))
    progress = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=progress, transient=True, disable=not progress.is_terminal) as bar:
        for n, each, rule, room, shared in bar.track(cases, description="fleets"):
            found = simulate(Fleet(int(n), each, rule, room, shared), offered, machine.cost, seconds, seed)
            made.add_row(
                f"{n:,.0f}",
                f"{n * each:,.0f}",
                rule.value,
                str(room),
                "yes" if shared else "no",
                f"{100 * found.of_oracle:.1f} %",
                f"{100 * found.from_shared:.1f} %",
                f"{100 * found.busy:.0f} %",
                f"{100 * found.busy_most:.0f} %",
                f"{found.ttft_p50_s:.2f}",
                f"{found.ttft_p95_s:.2f}",
            )
    Console(highlight=False, width=None if sys.stdout.isatty() else 110).print(made)
    return 0
