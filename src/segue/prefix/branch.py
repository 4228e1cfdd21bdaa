"""One branch of the tree: a run of tokens with the checkpoints, the forks and the lost positions on it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from segue.prefix.checkpoint import AnyCheckpoint
from segue.prefix.visit import Visit

Tokens = NDArray[np.int32]


class Branch(Generic[AnyCheckpoint]):
    """Tokens `[start, end)` of a path that left `parent` at `start`; only the tree mutates it.

    All positions are absolute. `ends` are the positions of `checkpoints`, in `(start, end]`: a checkpoint at `start`
    itself belongs to the parent. `children[fork][token]` leaves at `fork` with `token`; forks lie in `(start, end)`,
    those of the empty root at 0. `evicted` and `damaged` are the positions of lost checkpoints, by the kind of loss.
    The lists are sorted, `n_checkpoints` counts the whole subtree, and `last_used` is the tree's clock when a path last
    ended here. `visit` is the latest request whose path ended at this branch's end; retention sets it.
    """

    __slots__ = (
        "_buffer",
        "_n",
        "checkpoints",
        "children",
        "damaged",
        "ends",
        "evicted",
        "forks",
        "last_used",
        "n_checkpoints",
        "parent",
        "start",
        "visit",
    )

    def __init__(
        self,
        parent: Branch[AnyCheckpoint] | None,
        start: int,
        tokens: Tokens,
        last_used: int,
        visit: Visit | None = None,
    ) -> None:
        self.parent = parent
        self.start = start
        self.ends: list[int] = []
        self.checkpoints: list[AnyCheckpoint] = []
        self.forks: list[int] = []
        self.children: dict[int, dict[int, Branch[AnyCheckpoint]]] = {}
        self.evicted: list[int] = []
        self.damaged: list[int] = []
        self.n_checkpoints = 0
        self.last_used = last_used
        self.visit = visit
        self._buffer = np.array(tokens, dtype=np.int32)
        self._n = len(tokens)

    @property
    def end(self) -> int:
        """The position after the last token."""
        return self.start + self._n

    @property
    def tokens(self) -> Tokens:
        """The tokens of `[start, end)`: a view, valid until the tree changes."""
        return self._buffer[: self._n]

    @property
    def needed(self) -> int:
        """The position beyond which neither checkpoint nor child needs the tokens."""
        return max(self.start, self.ends[-1] if self.ends else 0, self.forks[-1] if self.forks else 0)

    def child(self, fork: int, token: int) -> Branch[AnyCheckpoint] | None:
        """The child that leaves at `fork` with `token`."""
        at_fork = self.children.get(fork)
        return at_fork.get(token) if at_fork else None

    def hang(self, child: Branch[AnyCheckpoint]) -> None:
        """Make `child` leave at its start."""
        fork = child.start
        if fork not in self.children:
            self.forks.insert(bisect_left(self.forks, fork), fork)
            self.children[fork] = {}
        self.children[fork][int(child.tokens[0])] = child
        child.parent = self

    def unhang(self, child: Branch[AnyCheckpoint]) -> None:
        """Take `child` off."""
        fork = child.start
        del self.children[fork][int(child.tokens[0])]
        if not self.children[fork]:
            del self.children[fork]
            del self.forks[bisect_left(self.forks, fork)]
        child.parent = None

    def append(self, tokens: Tokens) -> None:
        """Grow at the end, in amortised time: a conversation grows by small steps."""
        n = self._n + len(tokens)
        if n > len(self._buffer):
            buffer = np.empty(n + (n >> 2), dtype=np.int32)
            buffer[: self._n] = self.tokens
            self._buffer = buffer
        self._buffer[self._n : n] = tokens
        self._n = n

    def truncate(self, end: int) -> None:
        """Forget the tokens and lost positions beyond `end`, which nothing needs."""
        del self.evicted[bisect_right(self.evicted, end) :]
        del self.damaged[bisect_right(self.damaged, end) :]
        self._n = end - self.start
        self._buffer = self.tokens.copy()

    def split(self, at: int) -> Branch[AnyCheckpoint]:
        """Cut off everything beyond `at` and return it as a branch that starts there and has no parent yet."""
        tail: Branch[AnyCheckpoint] = Branch(None, at, self.tokens[at - self.start :], self.last_used, self.visit)
        i = bisect_right(self.ends, at)
        tail.ends, tail.checkpoints = self.ends[i:], self.checkpoints[i:]
        del self.ends[i:], self.checkpoints[i:]
        i = bisect_right(self.forks, at)
        tail.forks = self.forks[i:]
        del self.forks[i:]
        tail.children = {fork: self.children.pop(fork) for fork in tail.forks}
        tail.evicted = self.evicted[bisect_right(self.evicted, at) :]
        tail.damaged = self.damaged[bisect_right(self.damaged, at) :]
        tail._adopt(tail.checkpoints, tail.children)
        tail.n_checkpoints = len(tail.checkpoints) + sum(
            child.n_checkpoints for at_fork in tail.children.values() for child in at_fork.values()
        )
        self.truncate(at)
        return tail

    def absorb(self, child: Branch[AnyCheckpoint]) -> None:
        """Continue with everything that `child` holds; it was taken off before, and starts where this branch ends."""
        self.append(child.tokens)
        self.ends += child.ends
        self.checkpoints += child.checkpoints
        self.forks += child.forks
        self.children |= child.children
        self.evicted += child.evicted
        self.damaged += child.damaged
        self.last_used = child.last_used
        self.visit = child.visit
        self._adopt(child.checkpoints, child.children)

    def _adopt(self, checkpoints: list[AnyCheckpoint], children: dict[int, dict[int, Branch[AnyCheckpoint]]]) -> None:
        for checkpoint in checkpoints:
            checkpoint.branch = self
        for at_fork in children.values():
            for child in at_fork.values():
                child.parent = self
