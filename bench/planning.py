"""How long planning a request takes: match, restore and placement, with 150,000 tokens and 10,000 checkpoints.

A checkpoint stands at each message's end, every 15 tokens. The trees are the shapes that cost most: all checkpoints on
one path, all on branches of their own, as many forks as there are checkpoints. Pure logic: neither model nor server is
in it.
"""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Final

import numpy as np

from bench.options import Options
from bench.row import SEGUE, Goal, Row, Spread
from segue.memory import MemoryKind, MemoryShape
from segue.policy.checkpoint_positions import checkpoint_positions
from segue.policy.prompt_marks import PromptMarks
from segue.policy.restore import restores
from segue.prefix.branch import Tokens
from segue.prefix.checkpoint import Checkpoint, Origin
from segue.prefix.match import evicted_upto
from segue.prefix.tree import Tree

_N_PROMPT: Final = 150_000
_N_QUICK: Final = 15_000
_N_MESSAGE: Final = 15
_N_RUNS: Final = 200
_N_WARM_UP: Final = 5
_N_SWA: Final = 4096
_N_NESTED: Final = 50
_KINDS: Final = (MemoryKind.ATTENTION, MemoryKind.SLIDING_WINDOW, MemoryKind.HYBRID)


def n_steps(_: Options) -> int:
    """How many rows there will be."""
    return len(_TREES) * len(_KINDS)


def run(options: Options, advance: Callable[[], None]) -> list[Row]:
    """Plan several prompts on each tree: a row for each tree and kind of memory, with its slowest prompt."""
    n_prompt = _N_QUICK if options.is_quick else _N_PROMPT
    rng = np.random.default_rng(0)
    marks = PromptMarks(message_ends=tuple(range(_N_MESSAGE, n_prompt, _N_MESSAGE)), n_stable=2)
    rows = []
    for name, build in _TREES.items():
        known = rng.integers(0, 100_000, n_prompt, dtype=np.int32)
        tree = build(known)
        assert len(tree) == n_prompt // _N_MESSAGE
        asked = _prompts(known, rng)
        for kind in _KINDS:
            shape = MemoryShape(kind, n_swa=_N_SWA, n_bytes_cell=1, n_bytes_state=1, n_bytes_logits=1)
            times = [_timed(partial(_plan, tree, prompt, shape, marks), options.repeats(_N_RUNS)) for prompt in asked]
            slowest = {SEGUE: Spread.of(max(times, key=median))}
            rows.append(Row("planning", f"{name}, {kind.value}", "ms", slowest, goal=Goal(1.0), at=n_prompt))
            advance()
    return rows


def _plan(tree: Tree, prompt: Tokens, shape: MemoryShape, marks: PromptMarks) -> None:
    match = tree.match(prompt)
    restore = next(restores(tree, match, shape, len(prompt), usable=lambda *_: True), None)
    n_start = restore.n_tokens if restore else 0
    checkpoint_positions(marks, n_start, len(prompt), fork=match.n_known, checkpoint_cost_tokens=8)
    evicted_upto(match, rewinds=not shape.kind.has_recurrent)


def _timed(action: Callable[[], object], n_runs: int) -> list[float]:
    """Milliseconds of each run."""
    times = []
    for _ in range(n_runs + _N_WARM_UP):
        started = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - started))
    return times[_N_WARM_UP:]


def _prompts(known: Tokens, rng: np.random.Generator) -> list[Tokens]:
    """What is asked of each tree: a known prompt, one with 100 new tokens, one half new, one all new."""
    new = rng.integers(0, 100_000, len(known), dtype=np.int32)
    half = len(known) // 2
    return [known, np.concatenate((known[:-100], new[:100])), np.concatenate((known[:half], new[half:])), new]


def _message_ends(prompt: Tokens) -> range:
    return range(_N_MESSAGE, len(prompt) + 1, _N_MESSAGE)


def _attach(tree: Tree, tokens: Tokens) -> None:
    n = len(tokens)
    tree.attach(
        Checkpoint(
            n_tokens=n,
            pos_min=max(0, n - _N_SWA - 512),
            pos_max=n - 1,
            origin=Origin.MESSAGE_END,
            created=0.0,
            last_used=0.0,
        ),
        tokens,
    )


def _one_path(prompt: Tokens) -> Tree:
    tree = Tree()
    for n in _message_ends(prompt):
        _attach(tree, prompt[:n])
    return tree


def _growing_prompts(prompt: Tokens) -> Tree:
    """Every prompt ends in a suffix that the next one drops, and a checkpoint stands at its message's end."""
    tree = Tree()
    suffix = np.full(5, 7, dtype=np.int32)
    for n in _message_ends(prompt):
        tree.insert(np.concatenate((prompt[:n], suffix)))
        _attach(tree, prompt[:n])
    return tree


def _branches(prompt: Tokens, n_shared: int) -> Tree:
    """Every checkpoint on a branch of its own, all of which leave after `n_shared` tokens."""
    tree = Tree()
    tree.insert(prompt)
    for i in range(len(_message_ends(prompt))):
        tail = np.full(20, 1_000_000 + i, dtype=np.int32)
        _attach(tree, np.concatenate((prompt[:n_shared], tail)))
    return tree


def _forks_along_the_path(prompt: Tokens) -> Tree:
    tree = Tree()
    tree.insert(prompt)
    for n in _message_ends(prompt):
        _attach(tree, np.concatenate((prompt[:n], np.full(20, 1_000_000, dtype=np.int32))))
    return tree


def _nested_forks(prompt: Tokens) -> Tree:
    """Each path leaves the one before a little further on and is a little shorter: deep in spite of rebalancing.

    The last path, filled up, is written over `prompt`.
    """
    tree = Tree()
    step = _N_PROMPT // (_N_NESTED + 1)
    tree.insert(prompt)
    for i in range(1, _N_NESTED + 1):
        prompt[i * step : -i] = 1_000_000 + i
        tree.insert(prompt[:-i])
    for n in _message_ends(prompt):
        _attach(tree, prompt[:n])
    return tree


_TREES: Final[dict[str, Callable[[Tokens], Tree]]] = {
    "all on one path": _one_path,
    "growing prompts": _growing_prompts,
    "branches from the root": partial(_branches, n_shared=0),
    "branches after 10,000 tokens": partial(_branches, n_shared=10_000),
    "forks along the path": _forks_along_the_path,
    "nested forks": _nested_forks,
}
