"""Gives the memory that is left to more context, parked sequences and cells."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from segue.fit.demand import Demand
from segue.fit.places import Place
from segue.fit.sizes import Sizes, n_idle_cells, n_parked_most, n_seq_max

_STEP = 256
_N_CTX_SMALL = 16_384
"""Where experts or layers lie on the host, a context smaller than this is worth more than parked sequences."""


@dataclass(frozen=True, slots=True)
class _Goal:
    """The sizes to reach in one step; None leaves them as they are."""

    n_cells: int | None = None
    n_parked: int | None = None


def grown(sizes: Sizes, place: Place, demand: Demand, *, is_whole: bool) -> Sizes:
    """The sizes grown as far as they fit: the context first if none was asked for, then what is parked.

    Where the whole model lies on devices, all that fits goes to the context, up to the one that the model was trained
    with. Elsewhere a small one is followed by a parked sequence for each slot.
    """
    asked = demand.asked
    for goal in _goals(demand, is_whole=is_whole):
        if goal.n_cells is not None and demand.figures.n_bytes_cell:
            n_cells = _most(sizes.n_cells, goal.n_cells, _STEP, lambda n, s=sizes: place(n, s.n_seq_max) is not None)
            n_ctx = sizes.n_ctx if asked.n_ctx else min(n_cells, asked.n_ctx_train)
            sizes = replace(sizes, n_cells=n_cells, n_ctx=n_ctx)
        if goal.n_parked is not None:
            n_parked = _most(sizes.n_parked, goal.n_parked, 1, lambda n, s=sizes: _parks(n, s, place, demand))
            sizes = replace(sizes, n_parked=n_parked, n_seq_max=n_seq_max(asked, n_parked))
    return sizes


def _goals(demand: Demand, *, is_whole: bool) -> Iterator[_Goal]:
    asked = demand.asked
    if not asked.n_ctx and not is_whole:
        yield _Goal(n_cells=min(asked.n_ctx_train, _N_CTX_SMALL))
        if asked.parked_mib is None:
            yield _Goal(n_parked=min(asked.n_slots, n_parked_most(asked)))
    if not asked.n_ctx:
        yield _Goal(n_cells=asked.n_ctx_train)
    if asked.parked_mib is None and asked.is_unified:
        yield _Goal(n_parked=n_parked_most(asked))
        # Every slot can then fill its context, and the path used last and the idle ones keep their cells.
        yield _Goal(
            n_cells=(asked.n_slots + 1) * asked.n_ctx_most + n_idle_cells(demand.layout.active_bytes, demand.figures)
        )


def _parks(n_parked: int, sizes: Sizes, place: Place, demand: Demand) -> bool:
    return place(sizes.n_cells, n_seq_max(demand.asked, n_parked)) is not None


def _most(least: int, most: int, step: int, holds: Callable[[int], bool]) -> int:
    """The largest of `least` and the multiples of `step` up to `most`, and `most` itself, for which it holds."""
    if most <= least:
        return least
    if holds(most):
        return most
    low, high = least // step, -(-most // step)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle * step) else (low, middle)
    return max(least, low * step)
