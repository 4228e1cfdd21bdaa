"""What must always hold between trees, homes and the engine."""

from collections import Counter

from segue.homes.link import Link
from segue.homes.residence import has_cells, host_bytes, residence_of
from segue.homes.space import Space
from segue.state.checkpoint import Checkpoint
from segue.state.lineage import tokens_of


def check_integrity(space: Space) -> None:
    """Assert that every checkpoint can be restored, every byte is counted once and no sequence is lost."""
    engine = space.engine
    parked: dict[int, Checkpoint] = {}
    n_users: Counter[Link] = Counter()
    n_host: Counter[Link] = Counter()
    n_stored: Counter[Link] = Counter()
    n_host_bytes = space.copies.chains.check_integrity()
    for tree in space.trees.values():
        tree.check_integrity()
        assert all(one.branch is not None for one in space.coverage.parked(tree))
        for checkpoint in tree.checkpoints():
            residence = residence_of(checkpoint)
            assert residence.tree is tree
            n_host_bytes += host_bytes(checkpoint)
            assert residence.is_parked == (checkpoint in space.coverage.parked(tree))
            if residence.is_parked:
                assert engine.length(residence.seq) == checkpoint.n_tokens
                parked[residence.seq] = checkpoint
            if residence.blob is not None:
                assert residence.blob.n_tokens == checkpoint.n_tokens
            if residence.link is not None:
                n_users[residence.link] += 1
                n_host[residence.link] += residence.is_loaded
                n_stored[residence.link] += residence.is_stored
                _check_chain(residence.link, checkpoint, residence.n_linked)
            if not has_cells(checkpoint):
                assert space.coverage.seq_over(checkpoint) is not None, "a checkpoint has lost its cells"
            has_state = residence.is_parked or residence.blob is not None or residence.is_stored
            assert has_state or not space.copies.needs_blob
    for root in space.copies.chains.roots.values():
        for link in root.below():
            assert (link.n_users, link.n_host, link.n_stored) == (n_users[link], n_host[link], n_stored[link])
    assert n_host_bytes + space.host.reserved_bytes == space.host.used_bytes <= space.host.limit_bytes
    if engine.n_seq_max > space.scratch:
        assert engine.length(space.scratch) == 0
    everyone = [*parked, *space.free_seqs, *range(space.scratch + 1)]
    assert len(everyone) == len(set(everyone)), "a sequence is in two places"
    assert all(engine.length(seq) == 0 for seq in space.free_seqs)


def _check_chain(link: Link, checkpoint: Checkpoint, n_linked: int) -> None:
    path = tokens_of(checkpoint)
    assert link.start < n_linked <= min(link.end, checkpoint.n_tokens)
    for part, end in link.chain(n_linked):
        assert (part.tokens[: end - part.start] == path[part.start : end]).all(), "a chain leads elsewhere"
