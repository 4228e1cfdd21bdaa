"""What must always hold between trees, homes and the engine."""

from segue.homes.residence import NO_SEQ, host_bytes, residence_of
from segue.homes.space import Space
from segue.state.checkpoint import Checkpoint


def check_integrity(space: Space) -> None:
    """Assert that every checkpoint can be restored, every byte is counted once and no sequence is lost."""
    engine = space.engine
    parked: dict[int, Checkpoint] = {}
    n_host_bytes = 0
    for tree in space.trees.values():
        tree.check_integrity()
        assert all(holder.branch is not None for holder in space.coverage.holders(tree))
        for checkpoint in tree.checkpoints():
            residence = residence_of(checkpoint)
            assert residence.tree is tree
            n_host_bytes += host_bytes(checkpoint)
            assert residence.is_holder == (checkpoint in space.coverage.holders(tree))
            if residence.seq != NO_SEQ:
                assert engine.length(residence.seq) == checkpoint.n_tokens
                parked[residence.seq] = checkpoint
            elif residence.blob is not None:
                assert residence.blob.n_tokens == checkpoint.n_tokens
            if not residence.is_holder:
                is_held = space.coverage.holder_over(checkpoint) or space.coverage.lane_over(checkpoint) is not None
                assert is_held, "a checkpoint has lost its cells"
    assert n_host_bytes == space.host.used_bytes <= space.host.limit_bytes
    if engine.n_seq_max > space.scratch:
        assert engine.length(space.scratch) == 0
    everyone = [*parked, *space.free_seqs, *range(space.scratch + 1)]
    assert len(everyone) == len(set(everyone)), "a sequence is in two places"
    assert all(engine.length(seq) == 0 for seq in space.free_seqs)
