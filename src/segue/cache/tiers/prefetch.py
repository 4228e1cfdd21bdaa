"""Bringing the checkpoints of one path into memory beside each other, the deepest first."""

from collections.abc import Sequence

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.tiers.lower import LowerTier, UpperTiers


def gather(above: UpperTiers, lower: LowerTier, path: Sequence[Entry]) -> bool:
    """Fetch checkpoints, given deepest first, as far as the host can have them all at once; False once none is coming.

    None of them goes for another one that is still to come: so, called again while it is True, this ends.
    """
    together = _together(above, lower, path)
    for checkpoint in together:
        above.in_use.acquire(checkpoint)
    try:
        # All of them are asked for at once; those that cannot come stay where they are.
        far = [c for c in together if lower.cost(c, with_logits=True)]
        coming = [lower.get(checkpoint, above.host) for checkpoint in far]
    finally:
        for checkpoint in together:
            above.in_use.release(checkpoint)
    return any(coming)


def _together(above: UpperTiers, lower: LowerTier, path: Sequence[Entry]) -> list[Entry]:
    """Those that fit into the host beside all deeper ones that do, if everything else goes.

    What is far takes no more once it has come: so those that were chosen once give way to deeper ones only.
    """
    n_left, now = above.host.budget.limit_bytes, above.entries.clock()
    counted: set[Segment] = set()
    chosen = []
    for checkpoint in path:
        n_far_bytes = lower.cost(checkpoint, with_logits=True)
        if n_far_bytes and now < checkpoint.fetch_after:
            continue
        segment = checkpoint.segment
        segments = set(segment.up()) - counted if segment is not None else set()
        n_bytes = n_far_bytes + checkpoint.host_bytes + sum(one.n_bytes for one in segments)
        if n_bytes <= n_left:
            n_left -= n_bytes
            counted |= segments
            chosen.append(checkpoint)
    return chosen
