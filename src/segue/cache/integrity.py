"""The invariants between the trees, the tiers and the engine."""

from collections import Counter

from segue.cache.entries.entry import Entry
from segue.cache.entries.segment import Segment
from segue.cache.eviction import Evictor
from segue.prefix.lineage import tokens_of


def check_integrity(evictor: Evictor) -> None:
    """Assert that every checkpoint can be restored, every byte is counted once and no sequence is lost."""
    engine = evictor.device.engine
    parked: dict[int, Entry] = {}
    n_users: Counter[Segment] = Counter()
    n_host: Counter[Segment] = Counter()
    n_stored: Counter[Segment] = Counter()
    n_host_bytes = evictor.host.segments.check_integrity()
    for tree in evictor.entries.trees.values():
        tree.check_integrity()
        assert all(one.is_attached for one in evictor.device.owners.parked(tree))
        for checkpoint in tree.checkpoints():
            assert checkpoint.tree is tree
            n_host_bytes += checkpoint.host_bytes
            assert checkpoint.is_parked == (checkpoint in evictor.device.owners.parked(tree))
            if checkpoint.is_parked:
                assert engine.length(checkpoint.seq) == checkpoint.n_tokens
                parked[checkpoint.seq] = checkpoint
            if checkpoint.state is not None:
                assert checkpoint.state.n_tokens == checkpoint.n_tokens
            if checkpoint.segment is not None:
                n_users[checkpoint.segment] += 1
                n_host[checkpoint.segment] += checkpoint.is_loaded
                n_stored[checkpoint.segment] += checkpoint.is_stored
                _check_chain(checkpoint.segment, checkpoint, checkpoint.n_covered)
            if not checkpoint.has_cells:
                assert evictor.device.owners.seq_over(checkpoint) is not None, "a checkpoint has lost its cells"
            assert checkpoint.is_parked or checkpoint.has_state or checkpoint.is_stored
    for root in evictor.host.segments.roots.values():
        for segment in root.below():
            assert (segment.n_users, segment.n_host, segment.n_stored) == (
                n_users[segment],
                n_host[segment],
                n_stored[segment],
            )
    assert (
        n_host_bytes + evictor.host.budget.reserved_bytes
        == evictor.host.budget.used_bytes
        <= evictor.host.budget.limit_bytes
    )
    if engine.n_seq_max > evictor.device.scratch:
        assert engine.length(evictor.device.scratch) == 0
    everyone = [*parked, *evictor.device.free_seqs, *range(evictor.device.scratch + 1)]
    assert len(everyone) == len(set(everyone)), "a sequence is in two places"
    assert all(engine.length(seq) == 0 for seq in evictor.device.free_seqs)


def _check_chain(segment: Segment, checkpoint: Entry, n_covered: int) -> None:
    path = tokens_of(checkpoint)
    assert segment.start < n_covered <= min(segment.end, checkpoint.n_tokens)
    for part, end in segment.chain(n_covered):
        assert (part.tokens[: end - part.start] == path[part.start : end]).all(), "a chain leads elsewhere"
