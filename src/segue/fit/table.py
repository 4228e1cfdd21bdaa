"""Shows where a model lies, and what is left."""

import io
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from segue.fit.choice import FitChoice
from segue.fit.usage import MemoryUsage

_WIDTH = 100
_COLUMNS: Final = ("", "layers", "experts of", "weights", "cells", "states", "buffers")
_DRAFTS: Final = ("drafts",)
_SUMS: Final = ("in all", "free", "left")


def fit_table(choice: FitChoice) -> Table:
    """A row for each device, and one for the host: what lies there in GiB, what was free, and what is left of that.

    What shall stay free is not left; a negative figure says by how much it does not fit.
    """
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    has_drafts = any(usage.drafts for usage in choice.usages)
    for header in (*_COLUMNS, *_DRAFTS * has_drafts, *_SUMS):
        table.add_column(header, justify="right" if header else "left", no_wrap=True)
    has_experts = any(usage.n_experts for usage in choice.usages)
    for usage in choice.usages:
        experts = str(usage.n_experts) if has_experts else "-"
        table.add_row(usage.name, str(usage.n_layers), experts, *map(_gib, _sizes(usage, has_drafts=has_drafts)))
    return table


def fit_line(choice: FitChoice) -> str:
    """The sizes in a line, and what drafting takes."""
    sizes = choice.sizes
    parked = "1 parked checkpoint" if sizes.n_parked == 1 else f"{sizes.n_parked} parked checkpoints"
    line = (
        f"{sizes.n_ctx:,} tokens a request, {sizes.n_cells:,} cells, {parked}, "
        f"{_mib(sizes.n_host_bytes)} MiB of host memory for more"
    )
    cells = sum(usage.draft_cells for usage in choice.usages)
    buffers = sum(usage.draft_buffers for usage in choice.usages)
    if cells + buffers:
        line += f", {_mib(cells + buffers)} MiB for drafts: {_mib(cells)} of cells and {_mib(buffers)} of buffers"
    return line


def fit_text(choice: FitChoice) -> str:
    """The table as plain text, with the line below; without devices the line alone."""
    if len(choice.usages) == 1:
        return fit_line(choice)
    console = Console(file=io.StringIO(), width=_WIDTH, color_system=None)
    console.print(fit_table(choice))
    rows = console.file.getvalue().rstrip() if isinstance(console.file, io.StringIO) else ""
    return "\n".join([*(row.rstrip() for row in rows.splitlines()), fit_line(choice)])


def _sizes(usage: MemoryUsage, *, has_drafts: bool) -> tuple[int, ...]:
    sizes = (usage.weights, usage.cells, usage.states, usage.compute)
    return (*sizes, *(usage.drafts,) * has_drafts, usage.used, usage.free_bytes, usage.left)


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.2f}"


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / 2**20:.0f}"
