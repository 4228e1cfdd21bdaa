"""The tree as one would write it first: a set of known prefixes and a dict of checkpoints, slow and plainly right."""

from dataclasses import dataclass, field

import numpy as np

from segue.prefix.branch import Tokens
from segue.prefix.checkpoint import Checkpoint, Origin
from segue.prefix.loss import Loss

Path = tuple[int, ...]


def tokens(path: Path) -> Tokens:
    return np.asarray(path, dtype=np.int32)


def checkpoint(n_tokens: int, *, pos_min: int = 0, origin: Origin = Origin.MESSAGE_END) -> Checkpoint:
    return Checkpoint(
        n_tokens=n_tokens,
        pos_min=pos_min,
        pos_max=n_tokens - 1,
        origin=origin,
        created=0.0,
        last_used=0.0,
    )


def shared(a: Path, b: Path) -> int:
    n = 0
    while n < min(len(a), len(b)) and a[n] == b[n]:
        n += 1
    return n


@dataclass
class NaiveTree:
    known: set[Path] = field(default_factory=lambda: {()})
    checkpoints: dict[Path, Checkpoint] = field(default_factory=dict)
    evicted: set[Path] = field(default_factory=set)
    damaged: set[Path] = field(default_factory=set)

    def insert(self, path: Path) -> None:
        self.known |= {path[:n] for n in range(len(path) + 1)}

    def attach(self, added: Checkpoint, path: Path) -> None:
        self.insert(path)
        self.checkpoints[path] = added
        self.evicted.discard(path)
        self.damaged.discard(path)

    def detach(self, path: Path, *, loss: Loss | None) -> None:
        del self.checkpoints[path]
        if loss is not None:
            (self.evicted if loss is Loss.EVICTED else self.damaged).add(path)

    def mark_damaged(self, path: Path) -> None:
        self.insert(path)
        if path and path not in self.checkpoints:
            self.evicted.discard(path)
            self.damaged.add(path)

    def n_known(self, path: Path) -> int:
        return max(n for n in range(len(path) + 1) if path[:n] in self.known)

    def deepest(self, path: Path, limit: int) -> list[Checkpoint]:
        ends = range(min(limit, len(path)), 0, -1)
        return [self.checkpoints[path[:n]] for n in ends if path[:n] in self.checkpoints]

    def reaching(self, path: Path, limit: int, n_beyond: int) -> set[tuple[int, Checkpoint]]:
        result = set()
        for other, found in self.checkpoints.items():
            reach = min(limit, shared(other, path))
            if 0 < reach < len(other) <= reach + n_beyond:
                result.add((reach, found))
        return result

    def ancestors(self, path: Path) -> list[Checkpoint]:
        return self.deepest(path, len(path) - 1)

    def descendants(self, path: Path) -> set[Checkpoint]:
        return {c for other, c in self.checkpoints.items() if len(other) > len(path) and other[: len(path)] == path}

    def is_consumed(self, path: Path) -> bool:
        """One way leads on to checkpoints, up to the next one at least."""
        below = [other for other in self.checkpoints if len(other) > len(path) and other[: len(path)] == path]
        return any(all(other[: len(first)] == first for other in below) for first in below)
