"""`segue cache ls` as a table, 80 columns wide or less."""

from collections.abc import Mapping
from typing import Final

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from segue.commands.cache.stock import Stock
from segue.commands.cache.units import counted, size, span

_COLUMNS: Final[tuple[tuple[str, JustifyMethod, str], ...]] = (
    ("id", "left", "bold"),
    ("tokens", "right", ""),
    ("origin", "left", ""),
    ("size", "right", "yellow"),
    ("age", "right", "dim"),
    ("used", "right", ""),
    ("hits", "right", "green"),
    ("pinned", "left", ""),
    ("model", "left", "dim"),
)


def grid(*columns: tuple[str, JustifyMethod, str]) -> Table:
    """An empty table in the style of this command."""
    made = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for header, justify, style in columns:
        made.add_column(header, justify=justify, style=style, no_wrap=True)
    return made


def table(stock: Stock, now: float) -> Table:
    """A row for each checkpoint."""
    made = grid(*_COLUMNS)
    remainder, short_ids = stock.remainder(), stock.short_ids
    for holding in stock.holdings:
        row = holding.row
        made.add_row(
            short_ids[holding.id],
            f"{row.n_tokens:,}",
            row.origin.replace("_", " "),
            size(remainder.freed_bytes(holding)),
            span(now - row.created),
            span(now - row.last_used),
            f"{row.n_hits:,}",
            "yes" if row.pinned else "",
            stock.model_name(holding.model),
        )
    return made


def text_table(texts: Mapping[str, str], stock: Stock) -> Table:
    """A row for each checkpoint's text; `texts` by id."""
    made = grid(("id", "left", "bold"), ("how its last 200 tokens begin", "left", ""))
    short_ids = stock.short_ids
    for id_, text in texts.items():
        made.add_row(short_ids[id_], Text(text))
    return made


def totals(stock: Stock) -> str:
    """The totals, in one line."""
    n_models = len({holding.model for holding in stock.holdings})
    remainder = stock.remainder()
    own_bytes = sum(remainder.freed_bytes(holding) for holding in stock.holdings)
    return (
        f"{counted(len(stock.holdings), 'checkpoint')} of {counted(n_models, 'model')}: {size(stock.used_bytes)} in "
        f"{counted(stock.n_files, 'file')}, {size(stock.used_bytes - own_bytes)} of it shared"
    )
