"""Shows where a model lies, and what is left."""

import io
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from segue.fit.choice import FitChoice
from segue.fit.usage import MemoryUsage

_WIDTH = 100
_COLUMNS: Final = ("", "layers", "experts of", "weights", "cells", "states", "buffers", "in all", "free", "left")


def fit_table(choice: FitChoice) -> Table:
    """A row for each device, and one for the host: what lies there in GiB, what was free, and what is left of that.

    What shall stay free is not left; a negative figure says by how much it does not fit.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for header in _COLUMNS:
        table.add_column(header, justify="right" if header else "left", no_wrap=True)
    has_experts = any(usage.n_experts for usage in choice.usages)
    for usage in choice.usages:
        experts = str(usage.n_experts) if has_experts else "-"
        table.add_row(usage.name, str(usage.n_layers), experts, *map(_gib, _sizes(usage)))
    return table


def fit_text(choice: FitChoice) -> str:
    """The table as plain text, with a line on sizes below; without devices the line alone."""
    sizes = choice.sizes
    parked = "1 parked checkpoint" if sizes.n_parked == 1 else f"{sizes.n_parked} parked checkpoints"
    line = (
        f"{sizes.n_ctx:,} tokens a request, {sizes.n_cells:,} cells, {parked}, "
        f"{_mib(sizes.n_host_bytes)} MiB of host memory for more"
    )
    if len(choice.usages) == 1:
        return line
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
    console.print(fit_table(choice))
    rows = console.file.getvalue().rstrip() if isinstance(console.file, io.StringIO) else ""
    return "\n".join([*(row.rstrip() for row in rows.splitlines()), line])


def _sizes(usage: MemoryUsage) -> tuple[int, ...]:
    return (
        usage.weights,
        usage.cells,
        usage.states,
        usage.compute,
        usage.used,
        usage.free_bytes,
        usage.left,
    )


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f}"


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.0f}"
