"""The style of the tables that commands print."""

from collections.abc import Mapping

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

Column = tuple[str, JustifyMethod, str]
"""A column's header, how its cells are aligned, and their style."""


def grid(*columns: Column) -> Table:
    """An empty table with these columns, whose cells never wrap."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for header, justify, style in columns:
        made.add_column(header, justify=justify, style=style, no_wrap=True)
    return made


def pairs(values: Mapping[str, str]) -> Table:
    """A table of names with their values, which wrap."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in values.items():
        made.add_row(name, Text(value))
    return made
