"""Formats results as a table, at most 80 columns wide, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Final

from rich.table import Table

from segue.commands.grid import Column, grid
from segue.sim.replay import Result

_COLUMNS: Final[tuple[Column, ...]] = (
    ("policy", "left", "bold"),
    ("room", "right", ""),
    ("hits", "right", "green"),
    ("of oracle", "right", "green"),
    ("taken", "right", ""),
    ("read back", "right", ""),
    ("peak GiB", "right", "yellow"),
    ("p50 s", "right", ""),
    ("p95 s", "right", ""),
)


def table(results: Sequence[Result]) -> Table:
    """A row for each result. `hits` is the share of prompt tokens that need not be read."""
    made = grid(*_COLUMNS)
    for result in results:
        made.add_row(
            result.policy,
            result.capacity,
            f"{100 * result.hit_tokens / max(1, result.prompt_tokens):.1f} %",
            f"{100 * result.of_oracle:.2f} %",
            f"{result.checkpoints_taken:,}",
            f"{result.checkpoints_read_back:,}",
            f"{result.bytes_peak / 2**30:,.1f}",
            f"{result.ttft_p50_s:.2f}",
            f"{result.ttft_p95_s:.2f}",
        )
    return made


def as_json(results: Sequence[Result]) -> str:
    """One JSON object a line for each result."""
    return "\n".join(json.dumps(asdict(result)) for result in results)
