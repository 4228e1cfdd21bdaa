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
        for entry in tree.checkpoints():
            assert entry.tree is tree
            n_host_bytes += entry.host_bytes
            assert entry.is_parked == (entry in evictor.device.owners.parked(tree))
            if entry.is_parked:
                assert engine.length(entry.seq) == entry.n_tokens
                parked[entry.seq] = entry
            if entry.state is not None:
                assert entry.state.n_tokens == entry.n_tokens
            if entry.segment is not None:
                n_users[entry.segment] += 1
                n_host[entry.segment] += entry.holds_chain
                n_stored[entry.segment] += entry.is_stored
                _check_chain(entry.segment, entry, entry.n_covered)
            if not entry.has_own_cells:
                assert evictor.device.owners.seq_over(entry) is not None, "a checkpoint has lost its cells"
            assert entry.is_parked or entry.has_state_on_host or entry.is_stored
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


def _check_chain(segment: Segment, entry: Entry, n_covered: int) -> None:
    path = tokens_of(entry)
    assert segment.start < n_covered <= min(segment.end, entry.n_tokens)
    for part, end in segment.chain(n_covered):
        assert (part.tokens[: end - part.start] == path[part.start : end]).all(), "a chain leads elsewhere"
