"""Logs the events of entries."""

import logging
import time

from segue.cache.entries.entry import Entry

log = logging.getLogger("segue.cache")


def log_event(what: str, checkpoint: Entry, tier: str, started: float) -> None:
    """Log one debug line about a checkpoint, in the words that llama-server's users know."""
    if log.isEnabledFor(logging.DEBUG):
        log.debug(
            "checkpoint %s: pos_min=%d pos_max=%d pos_end=%d n_tokens=%d origin=%s tier=%s size=%.3f MiB in %.2f ms",
            what,
            checkpoint.pos_min,
            checkpoint.pos_max,
            checkpoint.pos_end,
            checkpoint.n_tokens,
            checkpoint.origin.value,
            tier,
            checkpoint.n_bytes / 2**20,
            1000 * (time.perf_counter() - started),
        )
