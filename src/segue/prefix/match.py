"""A prompt's place in the tree, and the checkpoints that can serve it."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic

from segue.prefix.branch import Branch
from segue.prefix.checkpoint import AnyCheckpoint
from segue.prefix.lineage import below


@dataclass(frozen=True, slots=True)
class Match(Generic[AnyCheckpoint]):
    """The longest known prefix of a prompt: its first `n_known` tokens.

    `branches` lead from the root down; each branch is followed up to its `end`, where the next one leaves. Valid until
    the tree is restructured, which `version` tells.
    """

    n_known: int
    branches: tuple[tuple[Branch[AnyCheckpoint], int], ...]
    version: int


def deepest(match: Match[AnyCheckpoint], limit: int) -> Iterator[AnyCheckpoint]:
    """The checkpoints on the matched path with `n_tokens <= limit`, deepest first. Lazy."""
    for branch, end in reversed(match.branches):
        for i in range(bisect_right(branch.ends, min(end, limit)) - 1, -1, -1):
            yield branch.checkpoints[i]


def reaching(match: Match[AnyCheckpoint], limit: int, n_beyond: int) -> Iterator[tuple[int, AnyCheckpoint]]:
    """The checkpoints off the matched path or beyond `limit`, as `(reach, checkpoint)` by falling reach. Lazy.

    The first `reach` tokens, at most `limit`, are those that a checkpoint shares with the prompt; none has a reach of
    0. Those that end more than `n_beyond` tokens beyond their reach are left out.
    """
    on_path: Branch[AnyCheckpoint] | None = None
    for branch, matched in reversed(match.branches):
        end = min(matched, limit)
        # What starts beyond the limit is met again below, when the branch that the limit lies in is searched.
        if branch.start >= end:
            continue
        for checkpoint in below(branch, end, end + n_beyond, on_path):
            yield end, checkpoint
        for i in range(bisect_left(branch.forks, end) - 1, -1, -1):
            fork = branch.forks[i]
            for child in branch.children[fork].values():
                if child.n_checkpoints:
                    for checkpoint in below(child, fork, fork + n_beyond):
                        yield fork, checkpoint
        on_path = branch


def evicted_upto(match: Match[AnyCheckpoint], *, rewinds: bool) -> int:
    """The deepest position, at most `n_known`, from which an evicted checkpoint could have served; 0 if none.

    `rewinds`: the memory can drop a tail, so one that stood beyond the match, on the same branch, counts as well.
    """
    return _lost_upto(match, lambda branch: branch.evicted, rewinds=rewinds)


def damaged_upto(match: Match[AnyCheckpoint], *, rewinds: bool) -> int:
    """The same for a checkpoint whose stored file or row was damaged."""
    return _lost_upto(match, lambda branch: branch.damaged, rewinds=rewinds)


def _lost_upto(
    match: Match[AnyCheckpoint], lost: Callable[[Branch[AnyCheckpoint]], list[int]], *, rewinds: bool
) -> int:
    for branch, end in reversed(match.branches):
        positions = lost(branch)
        if rewinds and positions and positions[-1] > end:
            return end
        i = bisect_right(positions, end)
        if i:
            return positions[i - 1]
    return 0
