"""The tree of all paths known in one namespace, and the checkpoints attached to them.

A compressed radix tree in which a branch carries many checkpoints, so that matching a path with thousands of them is
one comparison of arrays. One thread only. Paths are int32 arrays of token ids from position 0, copied when kept.
"""

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import pairwise
from typing import Generic

import numpy as np

from segue.common_prefix import n_equal
from segue.prefix.branch import Branch, Tokens
from segue.prefix.checkpoint import AnyCheckpoint
from segue.prefix.lineage import branch_of
from segue.prefix.loss import Loss
from segue.prefix.match import Match


class Tree(Generic[AnyCheckpoint]):
    """Known paths with their checkpoints; a path without a checkpoint takes 4 bytes a token.

    `n_tokens` counts all tokens held. `n_span` is at least `n_tokens - pos_min` of every checkpoint attached.
    Functions on attached checkpoints are in `lineage`, those on a match in `match`.
    """

    def __init__(self) -> None:
        self.n_tokens = 0
        self.n_span = 0
        self._root: Branch[AnyCheckpoint] = Branch(None, 0, np.empty(0, dtype=np.int32), 0)
        self._clock = 0
        self._version = 0

    def __len__(self) -> int:
        """How many checkpoints are attached."""
        return self._root.n_checkpoints

    def is_current(self, match: Match[AnyCheckpoint]) -> bool:
        """Whether `match` still describes this tree, which holds until the tree is restructured."""
        return match.version == self._version

    def checkpoints(self) -> Iterator[AnyCheckpoint]:
        """All attached checkpoints, in no order. Lazy; the tree must not change meanwhile."""
        stack = [self._root]
        while stack:
            branch = stack.pop()
            yield from branch.checkpoints
            for at_fork in branch.children.values():
                stack.extend(child for child in at_fork.values() if child.n_checkpoints)

    def branches(self) -> Iterator[Branch[AnyCheckpoint]]:
        """All branches, parents before their children, the empty root first."""
        stack = [self._root]
        while stack:
            branch = stack.pop()
            yield branch
            for at_fork in branch.children.values():
                stack.extend(at_fork.values())

    def match(self, tokens: Tokens) -> Match[AnyCheckpoint]:
        """The longest known prefix of `tokens`. Mutates nothing; takes time linear in `n_known` and the depth."""
        branch, position = self._root, 0
        branches = [(branch, 0)]
        while position < len(tokens):
            child = branch.child(position, int(tokens[position]))
            if child is None:
                break
            branch = child
            position += n_equal(tokens[position:], branch.tokens)
            branches.append((branch, position))
        return Match(position, tuple(branches), self._version)

    def at(self, tokens: Tokens) -> AnyCheckpoint | None:
        """The checkpoint attached at the end of the path `tokens`."""
        match = self.match(tokens)
        branch = match.branches[-1][0]
        i = bisect_left(branch.ends, len(tokens))
        if match.n_known < len(tokens) or i == len(branch.ends) or branch.ends[i] != len(tokens):
            return None
        return branch.checkpoints[i]

    def insert(self, tokens: Tokens) -> None:
        """Insert the whole path, and make its end the most recently used."""
        self._insert(tokens)

    def attach(self, checkpoint: AnyCheckpoint, tokens: Tokens) -> None:
        """Attach a checkpoint at the end of its path, which is inserted if it is not known.

        Raises ValueError if the path is empty or not `n_tokens` long, if the checkpoint is already attached, or if
        another one stands there: call `at` first.
        """
        if checkpoint.branch is not None:
            raise ValueError("the checkpoint is already attached")
        position = checkpoint.n_tokens
        if position < 1 or position != len(tokens):
            raise ValueError(f"a checkpoint of {position} tokens cannot stand at the end of a path of {len(tokens)}")
        branch = self._insert(tokens)
        i = bisect_left(branch.ends, position)
        if i < len(branch.ends) and branch.ends[i] == position:
            raise ValueError(f"another checkpoint stands at {position} of this path")
        branch.ends.insert(i, position)
        branch.checkpoints.insert(i, checkpoint)
        _unmark(branch, position)
        checkpoint.branch = branch
        self.n_span = max(self.n_span, position - checkpoint.pos_min)
        self._count(branch, 1)

    def detach(self, checkpoint: AnyCheckpoint, *, loss: Loss | None = Loss.EVICTED) -> None:
        """Detach a checkpoint; its path stays known. `loss` marks the position with the reason, for reports."""
        branch = branch_of(checkpoint)
        i = bisect_left(branch.ends, checkpoint.n_tokens)
        if branch.checkpoints[i] is not checkpoint:
            raise ValueError("the checkpoint is not attached to this tree")
        del branch.ends[i], branch.checkpoints[i]
        if loss is not None:
            insort(branch.evicted if loss is Loss.EVICTED else branch.damaged, checkpoint.n_tokens)
        checkpoint.branch = None
        self._count(branch, -1)

    def mark_damaged(self, tokens: Tokens) -> None:
        """Insert a path whose end had a damaged checkpoint, and mark it; another checkpoint may be there now."""
        branch = self._insert(tokens)
        position = len(tokens)
        i = bisect_left(branch.ends, position)
        if position and (i == len(branch.ends) or branch.ends[i] != position):
            _unmark(branch, position)
            insort(branch.damaged, position)

    def trim(self, max_tokens: int) -> None:
        """Forget the least recently used tails without checkpoints until at most `max_tokens` are left, if possible.

        Takes time linear in the number of branches once the tree exceeds the bound: call it when idle.
        """
        if self.n_tokens <= max_tokens:
            return
        self._version += 1
        heap = [(branch.last_used, id(branch), branch) for branch in self.branches() if branch.needed < branch.end]
        heapq.heapify(heap)
        while heap and self.n_tokens > max_tokens:
            branch = heapq.heappop(heap)[2]
            parent = branch.parent
            if parent is None:
                continue
            end = max(branch.needed, branch.end - (self.n_tokens - max_tokens))
            self.n_tokens -= branch.end - end
            if end == branch.start:
                parent.unhang(branch)
                freed = parent
            else:
                branch.truncate(end)
                if end in branch.children:
                    self._promote(max(branch.children[end].values(), key=lambda child: child.end))
                freed = branch
            if freed.parent is not None and freed.needed < freed.end:
                heapq.heappush(heap, (freed.last_used, id(freed), freed))

    def check_integrity(self) -> None:
        """Assert every invariant of the tree; takes time linear in its size."""
        n_tokens = 0
        for branch in self.branches():
            is_root = branch is self._root
            n_tokens += len(branch.tokens)
            assert is_root == (branch.parent is None)
            assert is_root == (branch.end == branch.start)
            for positions in (branch.ends, branch.evicted, branch.damaged, branch.forks):
                assert all(a < b for a, b in pairwise(positions))
            for positions in (branch.ends, branch.evicted, branch.damaged):
                assert not positions or branch.start < positions[0] <= positions[-1] <= branch.end
            marks = (*branch.ends, *branch.evicted, *branch.damaged)
            assert len(marks) == len(set(marks))
            assert branch.ends == [checkpoint.n_tokens for checkpoint in branch.checkpoints]
            assert all(checkpoint.branch is branch for checkpoint in branch.checkpoints)
            assert all(c.n_tokens - c.pos_min <= self.n_span for c in branch.checkpoints)
            assert branch.forks == sorted(branch.children)
            n_checkpoints = len(branch.checkpoints)
            for fork, at_fork in branch.children.items():
                assert at_fork
                assert fork == 0 if is_root else branch.start < fork < branch.end
                for token, child in at_fork.items():
                    assert child.parent is branch
                    assert child.start == fork
                    assert child.tokens[0] == token
                    assert is_root or branch.tokens[fork - branch.start] != token
                    n_checkpoints += child.n_checkpoints
            assert branch.n_checkpoints == n_checkpoints
        assert self.n_tokens == n_tokens

    def _insert(self, tokens: Tokens) -> Branch[AnyCheckpoint]:
        """Insert the path; return the branch on which it ends."""
        match = self.match(tokens)
        branch = match.branches[-1][0]
        unknown = tokens[match.n_known :]
        self._clock += 1
        if len(unknown):
            self.n_tokens += len(unknown)
            if branch.parent is not None and match.n_known == branch.end:
                branch.append(unknown)
            else:
                child: Branch[AnyCheckpoint] = Branch(None, match.n_known, unknown, self._clock)
                branch.hang(child)
                branch = child
            branch = self._rebalance(branch)
        branch.last_used = self._clock
        return branch

    def _rebalance(self, branch: Branch[AnyCheckpoint]) -> Branch[AnyCheckpoint]:
        """Make the longer path the trunk from the grown `branch` upwards; return the branch on which it ends now.

        A conversation whose turns each fork a little before its end thus stays one branch, and depth stays low.
        """
        leaf = branch
        parent = branch.parent
        while parent is not None and parent.parent is not None:
            # The margin keeps two paths that grow in turns from changing places each time.
            if 8 * (branch.end - branch.start) <= 9 * (parent.end - branch.start):
                break
            self._version += 1
            self._promote(branch)
            leaf = parent if leaf is branch else leaf
            branch, parent = parent, parent.parent
        return leaf

    def _promote(self, child: Branch[AnyCheckpoint]) -> None:
        """Continue the parent with `child`, and make the rest of the parent a child in its place."""
        parent = child.parent
        assert parent is not None
        parent.unhang(child)
        if parent.end > child.start:
            parent.hang(parent.split(child.start))
        parent.absorb(child)

    def _count(self, branch: Branch[AnyCheckpoint] | None, n: int) -> None:
        while branch is not None:
            branch.n_checkpoints += n
            branch = branch.parent


def _unmark(branch: Branch[AnyCheckpoint], position: int) -> None:
    """Forget that a checkpoint was lost at a position."""
    for positions in (branch.evicted, branch.damaged):
        i = bisect_left(positions, position)
        if i < len(positions) and positions[i] == position:
            del positions[i]
