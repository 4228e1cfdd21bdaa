"""`segue cache show`: everything about one checkpoint."""

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from segue.commands.cache.holding import Holding
from segue.commands.cache.remainder import Remainder
from segue.commands.cache.stock import Stock
from segue.commands.cache.table import grid
from segue.commands.cache.units import moment, size


def sheet(holding: Holding, stock: Stock, now: float) -> Group:
    """Its row in the index, its chain of segments, and the fingerprint of its model."""
    remainder = stock.remainder()
    parts: list[RenderableType] = [_pairs(_facts(holding, remainder, now))]
    parts += ["", _segments(holding, remainder)] if holding.chain else []
    parts += ["", Text(f"model {stock.model_name(holding.model)}", style="bold")]
    return Group(*parts, _pairs(stock.models[holding.model]))


def _facts(holding: Holding, remainder: Remainder, now: float) -> dict[str, str]:
    row = holding.row
    return {
        "checkpoint": holding.id,
        "tokens": f"{row.n_tokens:,}, " + ("those of its segments" if row.tokens is None else "stored with it"),
        "positions in memory": f"{row.pos_min:,} to {row.pos_max:,}",
        "origin": row.origin.replace("_", " "),
        "namespace": row.namespace or "shared",
        "created": moment(row.created, now),
        "last used": moment(row.last_used, now),
        "hits": f"{row.n_hits:,}",
        "pinned": "yes" if row.pinned else "no",
        "logits": "yes" if row.has_logits else "no",
        "positions digest": row.positions_digest or "none",
        "file": f"{row.file}, {size(row.n_bytes)}" if row.file else "none",
        "its removal frees": size(remainder.freed_bytes(holding)),
    }


def _segments(holding: Holding, remainder: Remainder) -> Table:
    made = grid(("segment", "left", "bold"), ("positions", "left", ""), ("size", "right", "yellow"))
    made.add_column("needed by", justify="right")
    for segment, end in zip(holding.chain, holding.ends, strict=True):
        positions = f"{segment.start:,} to {end - 1:,}" + (f" of {segment.end - 1:,}" if end < segment.end else "")
        made.add_row(segment.file, positions, size(segment.n_bytes), f"{remainder.n_needing[segment.file]:,}")
    return made


def _pairs(values: Mapping[str, str]) -> Table:
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in values.items():
        made.add_row(name, Text(value))
    return made
