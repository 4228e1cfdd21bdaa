"""`segue cache ls` as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.file_usage import FileUsage
from segue.commands.cache.stored_checkpoint import StoredCheckpoint


def as_json(contents: DirectoryContents, texts: Mapping[str, str]) -> str:
    """All that the table shows, and the models' fingerprints; `texts` by id. Times are seconds since 1970."""
    usage = contents.file_usage()
    report = {
        "directory": str(contents.path),
        "used_bytes": contents.used_bytes,
        "n_files": contents.n_files,
        "models": {
            contents.model_name(number): contents.models[number]
            for number in sorted({checkpoint.model for checkpoint in contents.checkpoints})
        },
        "checkpoints": [
            _entry(checkpoint, contents, usage) | ({"preview": texts[checkpoint.id]} if checkpoint.id in texts else {})
            for checkpoint in contents.checkpoints
        ],
    }
    return json.dumps(report, indent=2)


def _entry(checkpoint: StoredCheckpoint, contents: DirectoryContents, usage: FileUsage) -> dict[str, Any]:
    row = checkpoint.row
    return {
        "id": checkpoint.id,
        "n_tokens": row.n_tokens,
        "origin": row.origin,
        "n_bytes": usage.freed_bytes(checkpoint),
        "created": row.created,
        "last_used": row.last_used,
        "n_hits": row.n_hits,
        "is_pinned": row.pinned,
        "model": contents.model_name(checkpoint.model),
    }
