"""Counts the attention cells that only one checkpoint keeps."""

from segue.prefix.branch import Branch
from segue.prefix.checkpoint import Checkpoint
from segue.prefix.lineage import branch_of


def n_own(checkpoint: Checkpoint) -> int:
    """The length of the part of a checkpoint's path that no other checkpoint's path has. Mutates nothing."""
    branch: Branch | None = branch_of(checkpoint)
    n, position = checkpoint.n_tokens, checkpoint.n_tokens
    came_from: Branch | None = None
    while branch is not None and branch.parent is not None:
        shared = _shared(branch, position, checkpoint, came_from)
        if shared:
            return n - shared
        position, came_from, branch = branch.start, branch, branch.parent
    return n


def _shared(branch: Branch, position: int, checkpoint: Checkpoint, came_from: Branch | None) -> int:
    """The last position, at most `position`, up to which another checkpoint needs the branch; 0 if none does."""
    own = branch.checkpoints[-1:] == [checkpoint]
    last = branch.ends[-2:-1] if own else branch.ends[-1:]
    shared = min(position, last[0]) if last else 0
    for i in range(len(branch.forks) - 1, -1, -1):
        fork = branch.forks[i]
        if fork <= shared or shared == position:
            break
        if any(child is not came_from and child.n_checkpoints for child in branch.children[fork].values()):
            shared = min(position, fork)
            break
    return shared
