from dataclasses import dataclass
from itertools import pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from segue.memory import MemoryKind, MemoryShape
from segue.policy.restore import Restore, restores
from segue.prefix.checkpoint import Checkpoint
from segue.prefix.tree import Tree
from tests.prefix.naive import NaiveTree, Path, checkpoint, shared, tokens

LOGITS = np.zeros(3, dtype=np.float32)


@dataclass
class World:
    """A tree with checkpoints, a prompt, and which of the checkpoints can be used."""

    tree: Tree
    checkpoints: dict[Path, Checkpoint]
    prompt: Path
    unusable: set[Checkpoint]
    digests: dict[int, int]


def shape(kind: MemoryKind, n_swa: int = 0) -> MemoryShape:
    return MemoryShape(kind, n_swa=n_swa, n_bytes_cell=1, n_bytes_state=1, n_bytes_logits=1)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    tree, naive = Tree(), NaiveTree()
    unusable = set()
    for _ in range(draw(st.integers(0, 10))):
        known = draw(st.sampled_from(sorted(naive.known)))
        path = known + tuple(draw(st.lists(st.integers(0, 1), max_size=8)))
        if not path or path in naive.checkpoints:
            continue
        added = checkpoint(len(path), pos_min=draw(st.integers(0, len(path) - 1)))
        added.logits = draw(st.sampled_from((None, LOGITS)))
        added.positions_digest = draw(st.sampled_from((None, 1, 2)))
        tree.attach(added, tokens(path))
        naive.attach(added, path)
        if draw(st.integers(0, 3)) == 0:
            unusable.add(added)
    prompt = draw(st.sampled_from(sorted(naive.known))) + tuple(draw(st.lists(st.integers(0, 1), max_size=4)))
    digests = draw(st.dictionaries(st.integers(1, 20), st.integers(1, 2)))
    return World(tree, naive.checkpoints, prompt or (0,), unusable, digests)


def is_valid(world: World, path: Path, found: Checkpoint, n: int, memory: MemoryShape, *, reproducible: bool) -> bool:
    """The rules of restoring, read off the design for one checkpoint and one position."""
    n_prompt = len(world.prompt)
    if found in world.unusable or n > shared(path, world.prompt):
        return False
    if reproducible:
        if n != len(path) or found.positions_digest is None or found.positions_digest != world.digests.get(n):
            return False
    elif memory.kind is MemoryKind.SLIDING_WINDOW:
        if n != len(path) and found.pos_min > max(0, n - memory.n_swa):
            return False
    elif memory.kind is not MemoryKind.ATTENTION and n != len(path):
        return False
    return n < n_prompt or (len(path) == n_prompt and found.logits is not None)


@pytest.mark.parametrize("reproducible", [False, True])
@pytest.mark.parametrize("kind", list(MemoryKind))
@settings(max_examples=150)
@given(world=worlds(), n_swa=st.integers(1, 6))
def test_the_deepest_valid_position_is_chosen(kind: MemoryKind, reproducible: bool, world: World, n_swa: int) -> None:
    memory = shape(kind, n_swa)
    n_prompt = len(world.prompt)
    valid = {
        (found, n)
        for path, found in world.checkpoints.items()
        for n in range(1, len(path) + 1)
        if is_valid(world, path, found, n, memory, reproducible=reproducible)
    }
    match = world.tree.match(tokens(world.prompt))
    found = list(
        restores(
            world.tree,
            match,
            memory,
            n_prompt,
            usable=lambda c, _: c not in world.unusable,
            digest_at=world.digests.get if reproducible else None,
        )
    )
    assert {(restore.checkpoint, restore.n_tokens) for restore in found} <= valid
    assert {restore.checkpoint for restore in found} == {c for c, _ in valid}
    assert all(a.n_tokens >= b.n_tokens for a, b in pairwise(found))
    assert all(restore.with_logits == (restore.n_tokens == n_prompt) for restore in found)
    assert (found[0].n_tokens if found else 0) == max((n for _, n in valid), default=0)


def test_an_exact_repeat_reads_nothing_if_the_logits_were_kept() -> None:
    tree = Tree()
    path = tokens((1, 2, 3, 4))
    kept, interior = checkpoint(4), checkpoint(2)
    tree.attach(kept, path)
    tree.attach(interior, path[:2])
    match = tree.match(path)
    for kind in MemoryKind:
        kept.logits = LOGITS
        assert next(restores(tree, match, shape(kind, 2), 4, usable=lambda *_: True)) == Restore(
            kept, 4, with_logits=True
        )
        kept.logits = None
        rewinds = not kind.has_recurrent
        expected = Restore(kept, 3, with_logits=False) if rewinds else Restore(interior, 2, with_logits=False)
        assert next(restores(tree, match, shape(kind, 2), 4, usable=lambda *_: True)) == expected


def test_one_that_stands_exactly_is_preferred_to_one_to_rewind() -> None:
    tree = Tree()
    path = tokens((1, 2, 3, 4))
    exact, beyond = checkpoint(2), checkpoint(4)
    tree.attach(beyond, path)
    tree.attach(exact, path[:2])
    match = tree.match(tokens((1, 2, 9)))
    found = next(restores(tree, match, shape(MemoryKind.ATTENTION), 3, usable=lambda *_: True))
    assert found == Restore(exact, 2, with_logits=False)


def test_nothing_known_restores_nothing() -> None:
    tree = Tree()
    match = tree.match(tokens((1, 2)))
    assert list(restores(tree, match, shape(MemoryKind.ATTENTION), 2, usable=lambda *_: True)) == []
