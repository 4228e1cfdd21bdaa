"""Lists the checkpoints from which a prompt can start, each with the number of tokens it provides."""

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic

from segue.memory import MemoryShape
from segue.prefix.checkpoint import AnyCheckpoint
from segue.prefix.lineage import EVERYWHERE
from segue.prefix.match import Match, deepest, reaching
from segue.prefix.tree import Tree


@dataclass(frozen=True, slots=True)
class Restore(Generic[AnyCheckpoint]):
    """A way to start: restore `checkpoint`, and drop its tail, if any, beyond the prompt's first `n_tokens`.

    `with_logits`: the checkpoint stands at the prompt's end and has its logits, so no token needs to be read.
    """

    checkpoint: AnyCheckpoint
    n_tokens: int
    with_logits: bool


def restores(
    tree: Tree[AnyCheckpoint],
    match: Match[AnyCheckpoint],
    shape: MemoryShape,
    n_prompt: int,
    *,
    usable: Callable[[AnyCheckpoint, bool], bool],
    digest_at: Callable[[int], int | None] | None = None,
) -> Iterator[Restore[AnyCheckpoint]]:
    """Every checkpoint that a prompt can start from, deepest first. Lazy; the tree must not change meanwhile.

    `match` is that of the prompt, of `n_prompt` tokens. `usable` lets the cache reject a checkpoint whose bytes are out
    of reach, for a restore with or without logits. `digest_at`, in reproducible mode only, gives the digest of the
    prompt's checkpoint positions up to one of them (`positions_digests(...).get`): then only a checkpoint that was read
    with the same positions counts, and only without dropping a tail.
    """

    def exactly() -> Iterator[Restore[AnyCheckpoint]]:
        for checkpoint in deepest(match, n_prompt):
            n = checkpoint.n_tokens
            if n == n_prompt and not checkpoint.has_logits:
                continue
            if digest_at is not None and (
                checkpoint.positions_digest is None or checkpoint.positions_digest != digest_at(n)
            ):
                continue
            if usable(checkpoint, n == n_prompt):
                yield Restore(checkpoint, n, with_logits=n == n_prompt)

    def rewound() -> Iterator[Restore[AnyCheckpoint]]:
        # A checkpoint that holds the window before n ends before n + n_span, so deeper checkpoints cannot hold it.
        n_beyond = tree.n_span if shape.kind.has_window else EVERYWHERE
        for n, checkpoint in reaching(match, n_prompt - 1, n_beyond):
            holds_window = not shape.kind.has_window or checkpoint.pos_min <= max(0, n - shape.n_swa)
            if holds_window and usable(checkpoint, False):
                yield Restore(checkpoint, n, with_logits=False)

    if shape.kind.has_recurrent or digest_at is not None:
        return exactly()
    return heapq.merge(exactly(), rewound(), key=lambda restore: -restore.n_tokens)
