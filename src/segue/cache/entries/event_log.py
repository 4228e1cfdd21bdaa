"""Logs a line for each event in an entry's life, at the level DEBUG."""

import logging
import time

from segue.cache.entries.entry import Entry

log = logging.getLogger("segue.cache")


def log_event(what: str, entry: Entry, tier: str, started: float) -> None:
    """Log one debug line about a checkpoint, in the words that llama-server's users know."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug(
            "checkpoint %s: pos_min=%d pos_max=%d pos_end=%d n_tokens=%d origin=%s tier=%s size=%.3f MiB in %.2f ms",
            what,
            entry.pos_min,
            entry.pos_max,
            entry.pos_end,
            entry.n_tokens,
            entry.origin.value,
            tier,
            entry.n_bytes / 2**20,
            1000 * (time.perf_counter() - started),
        )
