"""Relations between attached checkpoints in their tree. Compares no tokens, and mutates nothing."""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from typing import cast

import numpy as np

from segue.prefix.branch import Branch, Tokens
from segue.prefix.checkpoint import AnyCheckpoint, Checkpoint

EVERYWHERE = 1 << 62


def branch_of(checkpoint: AnyCheckpoint) -> Branch[AnyCheckpoint]:
    """The branch that an attached checkpoint stands on; ValueError if it is not attached."""
    if checkpoint.branch is None:
        raise ValueError("the checkpoint is not attached")
    return cast("Branch[AnyCheckpoint]", checkpoint.branch)


def _branch(checkpoint: AnyCheckpoint) -> Branch[AnyCheckpoint] | None:
    # A type that is no text would be built anew with each call, which takes longer than all else here.
    return cast("Branch[AnyCheckpoint] | None", checkpoint.branch)


def tokens_of(checkpoint: Checkpoint) -> Tokens:
    """The path of a checkpoint: a new array of `n_tokens` token ids."""
    path = np.empty(checkpoint.n_tokens, dtype=np.int32)
    end = checkpoint.n_tokens
    branch: Branch | None = branch_of(checkpoint)
    while branch is not None:
        path[branch.start : end] = branch.tokens[: end - branch.start]
        end, branch = branch.start, branch.parent
    return path


def is_prefix(a: Checkpoint, b: Checkpoint) -> bool:
    """Whether the path of `a` is a prefix of that of `b` (or the same); in O(depth)."""
    end, branch = b.n_tokens, _branch(b)
    while branch is not None and branch is not a.branch:
        end, branch = branch.start, branch.parent
    return branch is not None and a.n_tokens <= end


def common(a: Checkpoint, b: Checkpoint) -> int:
    """The length of the common prefix of the paths of `a` and `b`, in O(depth); 0 if their trees differ."""
    ends: dict[Branch[Checkpoint], int] = {}
    end, branch = a.n_tokens, _branch(a)
    while branch is not None:
        ends[branch] = end
        end, branch = branch.start, branch.parent
    end, branch = b.n_tokens, _branch(b)
    while branch is not None and branch not in ends:
        end, branch = branch.start, branch.parent
    return 0 if branch is None else min(end, ends[branch])


def ancestors(checkpoint: AnyCheckpoint) -> Iterator[AnyCheckpoint]:
    """The checkpoints on the path strictly above, deepest first. Lazy; the tree must not change meanwhile."""
    position = checkpoint.n_tokens - 1
    branch: Branch[AnyCheckpoint] | None = branch_of(checkpoint)
    while branch is not None:
        for i in range(bisect_right(branch.ends, position) - 1, -1, -1):
            yield branch.checkpoints[i]
        position, branch = branch.start, branch.parent


def nearest_ancestor(checkpoint: AnyCheckpoint) -> AnyCheckpoint | None:
    """The deepest checkpoint on the path strictly above, if there is one; in O(depth)."""
    return next(ancestors(checkpoint), None)


def n_saved(checkpoint: AnyCheckpoint, without: Collection[AnyCheckpoint] = ()) -> int:
    """The tokens to be read again if an attached checkpoint, and those `without` which one must do, are gone."""
    return checkpoint.n_tokens - next((one.n_tokens for one in ancestors(checkpoint) if one not in without), 0)


def below(
    branch: Branch[AnyCheckpoint], position: int, n_max: int, skip: Branch[AnyCheckpoint] | None = None
) -> Iterator[AnyCheckpoint]:
    """The checkpoints of a subtree that end in `(position, n_max]`, those of each branch by rising end.

    Leaves out the subtree of the child `skip`. Lazy; the tree must not change meanwhile.
    """
    stack = [(branch, position)]
    while stack:
        branch, position = stack.pop()
        for i in range(bisect_right(branch.ends, position), bisect_right(branch.ends, n_max)):
            yield branch.checkpoints[i]
        for i in range(bisect_left(branch.forks, position), bisect_left(branch.forks, n_max)):
            fork = branch.forks[i]
            at_fork = branch.children[fork].values()
            stack.extend((child, fork) for child in at_fork if child.n_checkpoints and child is not skip)


def descendants(checkpoint: AnyCheckpoint) -> Iterator[AnyCheckpoint]:
    """The checkpoints whose path continues that of `checkpoint`, in no order. Lazy; the tree must not change."""
    branch = branch_of(checkpoint)
    return below(branch, checkpoint.n_tokens, EVERYWHERE)


def is_consumed(checkpoint: Checkpoint) -> bool:
    """Whether one checkpoint below lies on all paths that go on to others, so that they start from it; in O(depth)."""
    branch: Branch | None = branch_of(checkpoint)
    position = checkpoint.n_tokens
    while branch is not None:
        i = bisect_right(branch.ends, position)
        continues = i < len(branch.ends)
        upto = branch.ends[i] if continues else branch.end
        forks = branch.forks[bisect_left(branch.forks, position) : bisect_left(branch.forks, upto)]
        others = [child for fork in forks for child in branch.children[fork].values() if child.n_checkpoints]
        if continues or len(others) != 1:
            return continues and not others
        branch, position = others[0], others[0].start
    return False
