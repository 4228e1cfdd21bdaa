"""Fleets of replicas under each routing rule, without and with a shared tier."""

from functools import cache
from itertools import product
from pathlib import Path
from typing import Any, Final, NamedTuple

from records import Record, Records

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.fleet import Fleet, simulate
from segue.sim.load import Load
from segue.sim.model import MODELS
from segue.sim.routing import Routing
from segue.sim.trace import Format, Interleaving, load

_ROOM: Final = 16
_SHARED_BYTES_PER_S: Final = 1e9


class _Case(NamedTuple):
    replicas: int
    users_each: int
    seconds: float
    routing: Routing
    shared: bool


_SIZES: Final = ((10, 2, 240.0), (100, 2, 240.0), (1_000, 2, 120.0), (10_000, 1, 80.0))
_CASES: Final = [_Case(*size, rule, shared) for size, rule, shared in product(_SIZES, Routing, (False, True))]
_CROWDS: Final = [
    _Case(10, n, 240.0, Routing.DEPTH, shared) for n, shared in product((1, 2, 3, 4, 6, 8), (False, True))
]

_INTRODUCTION: Final = f"""\
Each replica has two users and room for {_ROOM} states. The run lasts four minutes, of which the second half counts (two
minutes for 1,000 replicas; one user each and 80 s for 10,000). *Busy* is the share of a second that a replica needs for
the reading and the restores of a second, so above 100 % it falls behind:

| replicas | users | routing | shared tier | hits, % of the oracle's | from the shared tier, % | busy, % | \
busiest, % | first token p50 s | p95 s |
|--:|--:|---|---|--:|--:|--:|--:|--:|--:|
"""
_CROWDED: Final = """
Ten replicas routed by depth, with more and more users each:

| users a replica | shared tier | hits, % of the oracle's | busy, % | first token p50 s | p95 s |
|--:|---|--:|--:|--:|--:|
"""


def measured(traces: Path) -> str:
    """The tables."""
    records = Records("fleets")

    @cache
    def offered() -> Load:
        path = traces / "claude-code/conversations.jsonl.gz"
        return Load(load(path, Format.CLAUDE_CODE, Interleaving(1)))

    def served(case: _Case) -> Record:
        shared = _SHARED_BYTES_PER_S if case.shared else None
        fleet = Fleet(case.replicas, case.users_each, case.routing, Capacity(_ROOM), shared)
        return _rounded(simulate(fleet, offered(), Cost(MODELS["Qwen3.6-27B"]), case.seconds, 1))

    quick_first = sorted({*_CASES, *_CROWDS}, key=lambda case: (case.replicas, case.routing, case))
    found = {case: records.get(case._asdict(), served, case) for case in quick_first}
    rows = [_row(case, found[case]) for case in _CASES]
    crowds = [_crowd(case, found[case]) for case in _CROWDS]
    return _INTRODUCTION + "".join(rows) + _CROWDED + "".join(crowds) + "\n"


def _rounded(result: Any) -> Record:
    names = ("of_oracle", "from_shared", "busy", "busy_most", "ttft_p50_s", "ttft_p95_s")
    return {name: round(getattr(result, name), 4) for name in names}


def _row(case: _Case, found: Record) -> str:
    cells = (
        f"{case.replicas:,}",
        f"{case.replicas * case.users_each:,}",
        case.routing.value,
        "yes" if case.shared else "no",
        f"{100 * found['of_oracle']:.1f}",
        f"{100 * found['from_shared']:.1f}",
        f"{100 * found['busy']:.0f}",
        f"{100 * found['busy_most']:.0f}",
        f"{found['ttft_p50_s']:.2f}",
        f"{found['ttft_p95_s']:.2f}",
    )
    return f"| {' | '.join(cells)} |\n"


def _crowd(case: _Case, found: Record) -> str:
    cells = (
        f"{case.users_each}",
        "yes" if case.shared else "no",
        f"{100 * found['of_oracle']:.1f}",
        f"{100 * found['busy']:.0f}",
        f"{found['ttft_p50_s']:.2f}",
        f"{found['ttft_p95_s']:.2f}",
    )
    return f"| {' | '.join(cells)} |\n"
