"""All policies at all sizes, with pictures and pages."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from records import Record, Records

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.curve import Comparison, comparison
from segue.sim.model import MODELS
from segue.sim.page import write
from segue.sim.plot import draw, draw_one
from segue.sim.registry import POLICIES, Setting
from segue.sim.replay import Result, oracle_hit_tokens, replay
from segue.sim.trace import Format, Interleaving, Trace, load

_OUT: Final = Path(__file__).parent / "policies"


class _Recording(NamedTuple):
    form: Format
    name: str
    interleaving: Interleaving
    powers: Sequence[int]


_RECORDINGS: Final = (
    _Recording(Format.CLAUDE_CODE, "claude-code/conversations.jsonl.gz", Interleaving(32, 1, 100), range(4, 11)),
    _Recording(Format.MOONCAKE, "mooncake/conversation.jsonl.gz", Interleaving(), range(7, 14, 2)),
)


def measured(traces: Path) -> str:
    """The tables, in percent."""
    compared = [_compare(traces, recording) for recording in _RECORDINGS]
    for found in compared:
        draw(found, _OUT / f"{found.trace}.png")
        write(found, _OUT / f"{found.trace}.html")
    for name in POLICIES:
        draw_one(compared, name, _OUT / f"{name}.png")
    return "\n" + "\n".join(map(_table, compared)) + "\n"


def _compare(traces: Path, recording: _Recording) -> Comparison:
    records = Records("figures")
    cost = Cost(MODELS["Qwen3.6-27B"])

    @cache
    def loaded() -> tuple[Trace, int]:
        trace = load(traces / recording.name, recording.form, recording.interleaving)
        return trace, oracle_hit_tokens(trace)

    def served(policy: str, room: Capacity) -> Record:
        trace, n_oracle = loaded()
        made = POLICIES[policy](Setting(trace, cost.model, room))
        return asdict(replay(trace, made, cost, name=policy, capacity=str(room), n_oracle=n_oracle))

    rooms = (*(Capacity(1 << power) for power in recording.powers), Capacity())
    results = [
        Result(**records.get({"trace": recording.form.value, "policy": name, "room": str(room)}, served, name, room))
        for name in POLICIES
        for room in rooms
    ]
    return comparison(recording.form.value, rooms, results)


def _table(compared: Comparison) -> str:
    lines = [f"**{compared.trace}**, % of the possible hits:\n", "| policy | " + " | ".join(compared.capacities) + " |"]
    lines.append("|---|" + "--:|" * len(compared.capacities))
    for curve in compared.curves:
        shares = " | ".join(f"{100 * result.of_oracle:.1f}" for result in curve.results)
        lines.append(f"| `{curve.policy}` | {shares} |")
    return "\n".join(lines) + "\n"
