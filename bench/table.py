"""Rows as a table, for the terminal and for Markdown."""

from collections.abc import Callable, Sequence

from rich.table import Table

from bench.row import Row, Spread

_MARKS = {True: "met", False: "missed", None: ""}


def header(rows: Sequence[Row]) -> list[str]:
    """Column titles for rows of one part."""
    return ["what", "at", *_names(rows), "ratio", "goal", ""]


def cells(row: Row, rows: Sequence[Row], *, with_spread: bool) -> list[str]:
    """One row as texts, in the columns of all rows of its part."""
    values = [_text(row.values.get(name), _short, with_spread=with_spread) for name in _names(rows)]
    what, at = f"{row.what}, {row.unit}", f"{row.at:,}" if row.at else ""
    ratio = _text(row.ratio, "{:.3f}".format, with_spread=with_spread)
    if row.ratio:
        ratio = f"{ratio} {row.ratio_of} of {row.ratio_over}"
    return [what, at, *values, ratio, str(row.goal or ""), _MARKS[row.is_met]]


def terminal_table(title: str, rows: Sequence[Row]) -> Table:
    """A table of medians for rich."""
    table = Table(title=title, title_justify="left")
    for i, name in enumerate(header(rows)):
        table.add_column(name, justify="left" if i == 0 else "right")
    for row in rows:
        table.add_row(*cells(row, rows, with_spread=False), style="red" if row.is_met is False else None)
    return table


def markdown_table(rows: Sequence[Row]) -> str:
    """A table in Markdown, with the spreads."""
    titles = header(rows)
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *(cells(row, rows, with_spread=True) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(spread: Spread | None, write: Callable[[float], str], *, with_spread: bool) -> str:
    if spread is None:
        return ""
    if spread.n == 1 or not with_spread:
        return write(spread.median)
    return f"{write(spread.median)} ({write(spread.low)} to {write(spread.high)})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.values))
