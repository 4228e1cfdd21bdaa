"""`segue cache ls` as JSON."""

import json
from collections.abc import Mapping
from typing import Any

from segue.commands.cache.holding import Holding
from segue.commands.cache.remainder import Remainder
from segue.commands.cache.stock import Stock


def as_json(stock: Stock, texts: Mapping[str, str]) -> str:
    """All that the table shows, and the models' fingerprints; `texts` by id. Times are seconds since 1970."""
    remainder = stock.remainder()
    report = {
        "directory": str(stock.path),
        "used_bytes": stock.used_bytes,
        "n_files": stock.n_files,
        "models": {
            stock.model_name(number): stock.models[number]
            for number in sorted({holding.model for holding in stock.holdings})
        },
        "checkpoints": [
            _entry(holding, stock, remainder) | ({"preview": texts[holding.id]} if holding.id in texts else {})
            for holding in stock.holdings
        ],
    }
    return json.dumps(report, indent=2)


def _entry(holding: Holding, stock: Stock, remainder: Remainder) -> dict[str, Any]:
    row = holding.row
    return {
        "id": holding.id,
        "n_tokens": row.n_tokens,
        "origin": row.origin,
        "n_bytes": remainder.freed_bytes(holding),
        "created": row.created,
        "last_used": row.last_used,
        "n_hits": row.n_hits,
        "is_pinned": row.pinned,
        "model": stock.model_name(holding.model),
    }
