"""Fetches the entries of one path from the lower tier, deepest first, so that all are in memory at the same time."""

from collections.abc import Sequence

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.tiers.lower import LowerTier, UpperTiers


def fetch_path(above: UpperTiers, lower: LowerTier, path: Sequence[Entry]) -> bool:
    """Fetch as many checkpoints, given deepest first, as fit on the host together; False once no fetch is pending.

    No checkpoint fetched here is evicted for another one, so calling this again while it returns True comes to an end.
    """
    together = _together(above, lower, path)
    for entry in together:
        above.in_use.acquire(entry)
    try:
        # All fetches start together; checkpoints that cannot be fetched stay where they are.
        far = [c for c in together if lower.cost(c, with_logits=True)]
        coming = [lower.get(entry, above.host) for entry in far]
    finally:
        for entry in together:
            above.in_use.release(entry)
    return any(coming)


def _together(above: UpperTiers, lower: LowerTier, path: Sequence[Entry]) -> list[Entry]:
    """The checkpoints that fit on the host together, deeper ones first, if everything else is evicted.

    A fetched checkpoint takes no more memory than estimated, so only deeper checkpoints displace one chosen before.
    """
    n_left, now = above.host.budget.limit_bytes, above.entries.clock()
    counted: set[Segment] = set()
    chosen = []
    for entry in path:
        n_far_bytes = lower.cost(entry, with_logits=True)
        if n_far_bytes and now < entry.fetch_after:
            continue
        segment = entry.segment
        segments = set(segment.up()) - counted if segment is not None else set()
        n_bytes = n_far_bytes + entry.host_bytes + sum(one.n_bytes for one in segments)
        if n_bytes <= n_left:
            n_left -= n_bytes
            counted |= segments
            chosen.append(entry)
    return chosen
