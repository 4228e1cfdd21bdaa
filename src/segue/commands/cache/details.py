"""`segue cache show`: everything about one checkpoint."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.file_usage import FileUsage
from segue.commands.cache.stored_checkpoint import StoredCheckpoint
from segue.commands.cache.units import moment, size
from segue.commands.grid import grid, pairs


def details(checkpoint: StoredCheckpoint, contents: DirectoryContents, now: float) -> Group:
    """Its row in the index, its chain of segments, and the fingerprint of its model."""
    usage = contents.file_usage()
    parts: list[RenderableType] = [pairs(_facts(checkpoint, usage, now))]
    parts += ["", _segments(checkpoint, usage)] if checkpoint.chain else []
    parts += ["", Text(f"model {contents.model_name(checkpoint.model)}", style="bold")]
    return Group(*parts, pairs(contents.models[checkpoint.model]))


def _facts(checkpoint: StoredCheckpoint, usage: FileUsage, now: float) -> dict[str, str]:
    row = checkpoint.row
    return {
        "checkpoint": checkpoint.id,
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
        "its removal frees": size(usage.freed_bytes(checkpoint)),
    }


def _segments(checkpoint: StoredCheckpoint, usage: FileUsage) -> Table:
    made = grid(("segment", "left", "bold"), ("positions", "left", ""), ("size", "right", "yellow"))
    made.add_column("needed by", justify="right")
    for segment, end in zip(checkpoint.chain, checkpoint.ends, strict=True):
        positions = f"{segment.start:,} to {end - 1:,}" + (f" of {segment.end - 1:,}" if end < segment.end else "")
        made.add_row(segment.file, positions, size(segment.n_bytes), f"{usage.n_needing[segment.file]:,}")
    return made
