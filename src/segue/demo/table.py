"""The demo's output: a table of the requests, 80 columns wide, and its totals in words."""

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from segue.demo.reply import DemoReply
from segue.demo.row import Row, Totals

# Header, width, alignment and style. Widths and the gaps between them add up to 80.
_COLUMNS: Final[tuple[tuple[str, int, JustifyMethod, str], ...]] = (
    ("\nrequest", 14, "left", ""),
    ("prompt\ntokens", 6, "right", ""),
    ("\nreused", 6, "right", "green"),
    ("starting\nfrom", 11, "left", "dim"),
    ("\nread", 6, "right", "yellow"),
    ("\nbecause", 13, "left", "dim"),
    ("cache\nms", 6, "right", "bold"),
    ("off\nms", 6, "right", ""),
    ("\nsame", 4, "right", ""),
)


def table(rows: Sequence[Row]) -> Table:
    """The rows so far, and their sum."""
    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for header, width, justify, style in _COLUMNS:
        grid.add_column(header, min_width=width, justify=justify, style=style)
    for row in rows:
        grid.add_row(row.name, *_cells(row.cached), *_comparison(row))
    if rows:
        totals = Totals.of(rows)
        off = _time(totals.uncached_ms) if totals.uncached_ms else ""
        grid.add_section()
        tokens = (f"{totals.n_prompt:,}", f"{totals.n_reused:,}", "", f"{totals.n_read:,}", "")
        grid.add_row("in all", *tokens, _time(totals.cached_ms), off, "")
    return grid


def summary(rows: Sequence[Row]) -> Text:
    """The totals of the table, in sentences. All rows were asked both ways."""
    totals = Totals.of(rows)
    text = Text(
        f"{totals.n_rows} requests with {totals.n_prompt:,} prompt tokens: {totals.n_read:,} of them were read. "
        f"The first tokens came after {totals.cached_ms / 1000:.1f} s in all, instead of "
        f"{totals.uncached_ms / 1000:.1f} s: "
    )
    text.append(f"{totals.uncached_ms / totals.cached_ms:.1f} times faster", style="bold green")
    if not totals.n_differ:
        text.append(". All replies are the same with the cache as without.")
        return text
    text.append(
        f". {totals.n_differ} of the replies differ: read in other pieces, a prompt adds up in another order, and "
        "where two tokens are almost equally likely the last digits decide."
    )
    return text


def _cells(answer: DemoReply) -> tuple[str, ...]:
    counts = f"{answer.n_prompt:,}", f"{answer.n_reused:,}", answer.start, f"{answer.n_read:,}"
    return (*counts, answer.reason, _time(answer.first_ms))


def _comparison(row: Row) -> tuple[str, Text]:
    if row.uncached is None:
        return "", Text("")
    return _time(row.uncached.first_ms), Text("yes") if row.is_same else Text("no", style="bold red")


def _time(ms: float) -> str:
    """In at most six characters, up to a quarter of an hour."""
    return f"{ms:,.0f}" if ms < 99_999.5 else f"{ms / 1000:.0f} s"
