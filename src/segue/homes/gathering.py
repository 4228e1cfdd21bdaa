"""Bringing the checkpoints of one path into memory beside each other, the deepest first."""

from collections.abc import Sequence

from segue.homes.entry import Entry
from segue.homes.link import Link
from segue.homes.space import Space
from segue.homes.vault import Vault


def gather(space: Space, vault: Vault, path: Sequence[Entry]) -> bool:
    """Fetch checkpoints, given deepest first, as far as the host can have them all at once; False once none is coming.

    None of them goes for another one that is still to come: so, called again while it is True, this ends.
    """
    together = _together(space, vault, path)
    for checkpoint in together:
        space.hold(checkpoint)
    try:
        # All of them are asked for at once; those that cannot come stay where they are.
        far = [c for c in together if vault.bytes_to_fetch(c, with_logits=True)]
        coming = [vault.fetch(checkpoint, with_logits=True) for checkpoint in far]
    finally:
        for checkpoint in together:
            space.release(checkpoint)
    return any(coming)


def _together(space: Space, vault: Vault, path: Sequence[Entry]) -> list[Entry]:
    """Those that fit into the host beside all deeper ones that do, if everything else goes.

    What is far takes no more once it has come: so those that were chosen once give way to deeper ones only.
    """
    n_left, now = space.host.limit_bytes, space.clock()
    counted: set[Link] = set()
    chosen = []
    for checkpoint in path:
        n_far_bytes = vault.bytes_to_fetch(checkpoint, with_logits=True)
        if n_far_bytes and now < checkpoint.fetch_after:
            continue
        link = checkpoint.link
        links = set(link.up()) - counted if link is not None else set()
        n_bytes = n_far_bytes + checkpoint.host_bytes + sum(one.n_bytes for one in links)
        if n_bytes <= n_left:
            n_left -= n_bytes
            counted |= links
            chosen.append(checkpoint)
    return chosen
