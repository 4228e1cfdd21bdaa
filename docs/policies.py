"""Writes the figures of docs/policies.md again: replays the recordings, which are not part of the repository.

python docs/policies.py TRACES [figures] [seeds] [fleets], all three if none is named, where TRACES holds
claude-code/conversations.jsonl.gz and mooncake/conversation.jsonl.gz. What seeds and fleets have measured is appended
to docs/policies/*.jsonl and not measured again: they can be stopped at any time, and begin anew without the file.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import fleets
import seeds

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.curve import Comparison, comparison
from segue.sim.model import MODELS
from segue.sim.page import write
from segue.sim.plot import draw, draw_one
from segue.sim.registry import POLICIES
from segue.sim.run import run
from segue.sim.trace import Format, Interleaving, load

_OUT: Final = Path(__file__).parent / "policies"
_RECORDINGS: Final = (
    (Format.CLAUDE_CODE, "claude-code/conversations.jsonl.gz", Interleaving(32, 1, 100), range(4, 11)),
    (Format.MOONCAKE, "mooncake/conversation.jsonl.gz", Interleaving(), range(7, 14, 2)),
)


def _figures(traces: Path) -> str:
    """All policies at all sizes, with pictures."""
    compared = _compare(traces)
    for found in compared:
        draw(found, _OUT / f"{found.trace}.png")
        write(found, _OUT / f"{found.trace}.html")
    for name in POLICIES:
        draw_one(compared, name, _OUT / f"{name}.png")
    return "\n" + "\n".join(map(_table, compared)) + "\n"


def _compare(traces: Path) -> list[Comparison]:
    compared = []
    for form, name, interleaving, powers in _RECORDINGS:
        trace = load(traces / name, form, interleaving)
        rooms = (*(Capacity(1 << power) for power in powers), Capacity())
        results = run(trace, tuple(POLICIES), rooms, Cost(MODELS["Qwen3.6-27B"]))
        compared.append(comparison(form.value, rooms, results))
    return compared


def _table(compared: Comparison) -> str:
    lines = [f"**{compared.trace}**, % of what can be hits:\n", "| policy | " + " | ".join(compared.capacities) + " |"]
    lines.append("|---|" + "--:|" * len(compared.capacities))
    for curve in compared.curves:
        shares = " | ".join(f"{100 * result.of_oracle:.1f}" for result in curve.results)
        lines.append(f"| `{curve.policy}` | {shares} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Replay, draw, and put the tables into the text."""
    traces, *wanted = arguments
    _OUT.mkdir(exist_ok=True)
    parts = {"figures": _figures, "seeds": seeds.measured, "fleets": fleets.measured}
    for part in wanted or parts:
        text = parts[part](Path(traces))
        page = _OUT.with_suffix(".md")
        begin, end = f"<!-- {part} -->\n", f"<!-- end of {part} -->"
        before, found, rest = page.read_text().partition(begin)
        assert found, f"{page} has no {begin}"
        page.write_text(before + begin + text + end + rest.partition(end)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
