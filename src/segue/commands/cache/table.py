"""`segue cache ls` as a table, 80 columns wide or less."""

from collections.abc import Mapping
from typing import Final

from rich.table import Table
from rich.text import Text

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.units import counted, size, span
from segue.commands.grid import Column, grid

_COLUMNS: Final[tuple[Column, ...]] = (
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


def table(contents: DirectoryContents, now: float) -> Table:
    """A row for each checkpoint."""
    made = grid(*_COLUMNS)
    usage, short_ids = contents.file_usage(), contents.short_ids
    for checkpoint in contents.checkpoints:
        row = checkpoint.row
        made.add_row(
            short_ids[checkpoint.id],
            f"{row.n_tokens:,}",
            row.origin.replace("_", " "),
            size(usage.freed_bytes(checkpoint)),
            span(now - row.created),
            span(now - row.last_used),
            f"{row.n_hits:,}",
            "yes" if row.pinned else "",
            contents.model_name(checkpoint.model),
        )
    return made


def text_table(texts: Mapping[str, str], contents: DirectoryContents) -> Table:
    """A row for each checkpoint's text; `texts` by id."""
    made = grid(("id", "left", "bold"), ("how its last 200 tokens begin", "left", ""))
    short_ids = contents.short_ids
    for id_, text in texts.items():
        made.add_row(short_ids[id_], Text(text))
    return made


def totals(contents: DirectoryContents) -> str:
    """The totals, in one line."""
    n_models = len({checkpoint.model for checkpoint in contents.checkpoints})
    usage = contents.file_usage()
    shared_bytes = contents.used_bytes - sum(usage.freed_bytes(checkpoint) for checkpoint in contents.checkpoints)
    return (
        f"{counted(len(contents.checkpoints), 'checkpoint')} of {counted(n_models, 'model')}: "
        f"{size(contents.used_bytes)} in {counted(contents.n_files, 'file')}, {size(shared_bytes)} of it shared"
    )
