"""Attention cells that one checkpoint alone keeps, against counting them."""

import random

import numpy as np

from segue.prefix.checkpoint import Checkpoint
from segue.prefix.lineage import tokens_of
from segue.prefix.tree import Tree
from segue.sim.cells import n_own
from tests.prefix.naive import checkpoint
from tests.sim.making import store


def counted(kept: list[Checkpoint], one: Checkpoint) -> int:
    path = tokens_of(one)
    others = [tokens_of(other) for other in kept if other is not one]
    return sum(not any(np.array_equal(path[:n], other[:n]) for other in others) for n in range(1, len(path) + 1))


def test_as_if_counted() -> None:
    for seed in range(60):
        draw = random.Random(seed)
        tree, kept = Tree(), list[Checkpoint]()
        for _ in range(25):
            path = np.array([draw.randrange(2) for _ in range(draw.randint(1, 9))], dtype=np.int32)
            if kept and draw.random() < 0.3:
                tree.detach(kept.pop(draw.randrange(len(kept))))
            elif tree.at(path) is None:
                kept.append(checkpoint(len(path)))
                tree.attach(kept[-1], path)
            assert [n_own(one) for one in kept] == [counted(kept, one) for one in kept]


def test_a_store_counts_what_it_keeps() -> None:
    for seed in range(20):
        draw = random.Random(seed)
        made = store()
        for _ in range(40):
            path = np.array([draw.randrange(2) for _ in range(draw.randint(1, 9))], dtype=np.int32)
            if draw.random() < 0.4 and made.kept:
                made.drop(draw.choice(list(made.kept)))
            else:
                made.take(path, checkpoint(1).origin, 0.0)
            prefixes = {tuple(tokens_of(one)[:n].tolist()) for one in made.kept for n in range(1, one.n_tokens + 1)}
            n_states = made.n_bytes - len(prefixes) * made.n_bytes_block
            assert n_states == sum(one.n_bytes for one in made.kept)
