"""`segue sim compare` on the command line."""

import sys
from pathlib import Path

from segue.commands.sim.parameters import (
    BESIDE,
    MACHINE,
    ROOMS,
    Beside,
    Capacities,
    FormatOption,
    Machine,
    Policies,
    TracePath,
)
from segue.sim.registry import POLICIES


def compare(
    trace: TracePath,
    /,
    *,
    format_: FormatOption,
    policy: Policies = tuple(POLICIES),
    capacity: Capacities = ROOMS,
    beside: Beside = BESIDE,
    machine: Machine = MACHINE,
    out: Path = Path(),
) -> int:
    """Draw how the hits of each policy grow with its room: NAME.png and NAME.html, after the format's name.

    The page is one file that loads nothing, and lets curves be hidden and other measures be shown.

    Parameters
    ----------
    out
        The directory to write both to. The picture needs matplotlib: pip install 'segue[sim]'.
    """
    from segue.sim.curve import comparison
    from segue.sim.page import write
    from segue.sim.plot import draw
    from segue.sim.run import run

    requests = beside.load(trace, format_)
    compared = comparison(requests.name, capacity, run(requests, policy, capacity, machine.cost))
    out.mkdir(parents=True, exist_ok=True)
    page = out / f"{format_.value}.html"
    write(compared, page)
    try:
        draw(compared, page.with_suffix(".png"))
    except ImportError:
        print(f"segue: {page} is written, but no picture: pip install 'segue[sim]'", file=sys.stderr)
        return 1
    print(f"{page} and {page.with_suffix('.png')}")
    return 0
