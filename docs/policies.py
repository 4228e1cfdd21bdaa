"""Writes the figures of docs/policies.md again: replays the recordings, which are not part of the repository.

python docs/policies.py TRACES, where TRACES holds claude-code/conversations.jsonl.gz and
mooncake/conversation.jsonl.gz.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.curve import Comparison, comparison
from segue.sim.model import MODELS
from segue.sim.page import write
from segue.sim.plot import draw, draw_one
from segue.sim.registry import POLICIES
from segue.sim.run import run
from segue.sim.trace import Format, Interleaving, load

_HERE: Final = Path(__file__).parent
_BEGIN, _END = "<!-- figures -->\n", "<!-- end of figures -->\n"
_RECORDINGS: Final = (
    (Format.CLAUDE_CODE, "claude-code/conversations.jsonl.gz", Interleaving(32, 1, 100), range(4, 11)),
    (Format.MOONCAKE, "mooncake/conversation.jsonl.gz", Interleaving(), range(7, 14, 2)),
)


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
    (traces,) = arguments
    out = _HERE / "policies"
    out.mkdir(exist_ok=True)
    compared = _compare(Path(traces))
    for found in compared:
        draw(found, out / f"{found.trace}.png")
        write(found, out / f"{found.trace}.html")
    for name in POLICIES:
        draw_one(compared, name, out / f"{name}.png")
    page = _HERE / "policies.md"
    before, _, rest = page.read_text().partition(_BEGIN)
    after = rest.partition(_END)[2]
    page.write_text(before + _BEGIN + "\n" + "\n".join(map(_table, compared)) + "\n" + _END + after)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
