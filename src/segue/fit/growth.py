"""Gives the memory that is left to more context, parked sequences and cells."""

from collections.abc import Callable
from dataclasses import replace

from segue.fit.demand import Demand
from segue.fit.places import Place
from segue.fit.sizes import Sizes, n_cells_in, n_idle_cells, n_parked_most, n_seq_max, useful_cells

_STEP = 256
_N_CTX_SMALL = 16_384
"""Where experts or layers lie on the host, a context smaller than this is worth more than parked sequences."""
_PARKED_SHARE = 32
"""A parked sequence saves a conversation's way through the host; that is worth one part in so many of the context."""


class Growth:
    """Grows sizes on devices, in a placement that leaves memory there."""

    def __init__(self, place: Place, demand: Demand) -> None:
        self._place = place
        self._asked = demand.asked
        self._figures = demand.figures
        self._n_idle = n_idle_cells(demand.layout.active_bytes, demand.figures)

    def least(self, n_ctx: int, n_parked: int) -> Sizes:
        """The sizes for a context, so many parked sequences, and the cells that were asked for beside it."""
        n_bytes = self._asked.parked_bytes or 0
        n_extra = useful_cells(n_cells_in(n_bytes, n_parked, self._figures), n_ctx, self._asked, self._n_idle)
        n_most = min(n_ctx, self._asked.n_ctx_most)
        return Sizes(n_most, n_ctx + n_extra, n_parked, n_seq_max(self._asked, n_parked), self._n_idle)

    def grown(self, sizes: Sizes, *, is_whole: bool) -> Sizes:
        """The sizes as large as they fit: first the context if none was asked for, then what is parked, then cells.

        Where part of the model lies on the host, a small context is followed by a parked sequence for each slot.
        """
        asked = self._asked
        if not asked.n_ctx and self._figures.n_bytes_cell:
            if is_whole and asked.parks_freely:
                sizes = self._shared(sizes)
            elif asked.parks_freely:
                sizes = self._with_context(sizes, min(asked.n_ctx_train, _N_CTX_SMALL))
                sizes = self._with_parked(sizes, asked.n_slots)
                sizes = self._with_context(sizes, asked.n_ctx_train)
            else:
                sizes = self._with_context(sizes, asked.n_ctx_train)
        return self._with_cells(self._with_parked(sizes, n_parked_most(asked))) if asked.parks_freely else sizes

    def _shared(self, sizes: Sizes) -> Sizes:
        """The largest context with a parked sequence for each slot, as far as the context is large for its price.

        At the context at which one more is due, the next memory goes to that, so that more memory never gives less.
        """
        asked, figures = self._asked, self._figures
        price = (figures.n_bytes_state + figures.n_bytes_row) / figures.n_bytes_cell
        alone = self._with_context(sizes, asked.n_ctx_train)
        if alone.n_ctx >= asked.n_ctx_train:
            return alone
        for n_parked in range(1, min(asked.n_slots, n_parked_most(asked)) + 1):
            due = int(_PARKED_SHARE * n_parked * price)
            first = self.least(sizes.n_ctx, n_parked)
            beside = self._with_context(first, asked.n_ctx_train) if self._holds(first) else first
            if beside.n_ctx < due or not self._holds(beside):
                return self._with_context(sizes, max(sizes.n_ctx, min(alone.n_ctx, due)))
            sizes, alone = first, beside
        return alone

    def _with_context(self, sizes: Sizes, n_ctx_most: int) -> Sizes:
        n_ctx = _most(sizes.n_ctx, n_ctx_most, _STEP, lambda n: self._holds(self.least(n, sizes.n_parked)))
        return self.least(n_ctx, sizes.n_parked)

    def _with_parked(self, sizes: Sizes, n_most: int) -> Sizes:
        def parked(n_parked: int) -> Sizes:
            return replace(sizes, n_parked=n_parked, n_seq_max=n_seq_max(self._asked, n_parked))

        return parked(_most(sizes.n_parked, n_most, 1, lambda n: self._holds(parked(n))))

    def _with_cells(self, sizes: Sizes) -> Sizes:
        """Cells with which every slot can fill its context, and the path used last and the idle ones keep theirs."""
        if not self._figures.n_bytes_cell:
            return sizes
        n_most = (self._asked.n_slots + 1) * self._asked.n_ctx_most + self._n_idle
        n_cells = _most(sizes.n_cells, n_most, _STEP, lambda n: self._holds(replace(sizes, n_cells=n)))
        return replace(sizes, n_cells=n_cells)

    def _holds(self, sizes: Sizes) -> bool:
        return self._place(sizes.n_cells, sizes.n_seq_max) is not None


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
