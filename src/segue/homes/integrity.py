"""What must always hold between trees, homes and the engine."""

from collections import Counter

from segue.homes.entry import Entry
from segue.homes.link import Link
from segue.homes.space import Space
from segue.state.lineage import tokens_of


def check_integrity(space: Space) -> None:
    """Assert that every checkpoint can be restored, every byte is counted once and no sequence is lost."""
    engine = space.engine
    parked: dict[int, Entry] = {}
    n_users: Counter[Link] = Counter()
    n_host: Counter[Link] = Counter()
    n_stored: Counter[Link] = Counter()
    n_host_bytes = space.copies.chains.check_integrity()
    for tree in space.trees.values():
        tree.check_integrity()
        assert all(one.is_attached for one in space.coverage.parked(tree))
        for checkpoint in tree.checkpoints():
            assert checkpoint.tree is tree
            n_host_bytes += checkpoint.host_bytes
            assert checkpoint.is_parked == (checkpoint in space.coverage.parked(tree))
            if checkpoint.is_parked:
                assert engine.length(checkpoint.seq) == checkpoint.n_tokens
                parked[checkpoint.seq] = checkpoint
            if checkpoint.blob is not None:
                assert checkpoint.blob.n_tokens == checkpoint.n_tokens
            if checkpoint.link is not None:
                n_users[checkpoint.link] += 1
                n_host[checkpoint.link] += checkpoint.is_loaded
                n_stored[checkpoint.link] += checkpoint.is_stored
                _check_chain(checkpoint.link, checkpoint, checkpoint.n_linked)
            if not checkpoint.has_cells:
                assert space.coverage.seq_over(checkpoint) is not None, "a checkpoint has lost its cells"
            assert checkpoint.is_parked or checkpoint.has_blob or checkpoint.is_stored
    for root in space.copies.chains.roots.values():
        for link in root.below():
            assert (link.n_users, link.n_host, link.n_stored) == (n_users[link], n_host[link], n_stored[link])
    assert n_host_bytes + space.host.reserved_bytes == space.host.used_bytes <= space.host.limit_bytes
    if engine.n_seq_max > space.scratch:
        assert engine.length(space.scratch) == 0
    everyone = [*parked, *space.free_seqs, *range(space.scratch + 1)]
    assert len(everyone) == len(set(everyone)), "a sequence is in two places"
    assert all(engine.length(seq) == 0 for seq in space.free_seqs)


def _check_chain(link: Link, checkpoint: Entry, n_linked: int) -> None:
    path = tokens_of(checkpoint)
    assert link.start < n_linked <= min(link.end, checkpoint.n_tokens)
    for part, end in link.chain(n_linked):
        assert (part.tokens[: end - part.start] == path[part.start : end]).all(), "a chain leads elsewhere"
