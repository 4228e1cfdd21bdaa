"""Chooses where to take checkpoints while a prompt is read."""

from array import array
from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from segue.policy.prompt_marks import PromptMarks
from segue.prefix.checkpoint import Origin

Positions = NDArray[np.int64]

_N_WORTH = 4
_N_LONG_STRIDES = 7
_N_POSITIONS_MIN, _N_POSITIONS_MAX = 8, 64


class Position(NamedTuple):
    """Reading stops after the prompt's first `n_tokens`, and a checkpoint is taken there because of `origin`."""

    n_tokens: int
    origin: Origin


def checkpoint_positions(
    marks: PromptMarks,
    n_start: int,
    n_prompt: int,
    *,
    fork: int | None,
    checkpoint_cost_tokens: float,
    expected: Iterable[int] = (),
    budget: float = 0.02,
    n_min_stride: int = 64,
    n_most: int = 64,
) -> tuple[Position, ...]:
    """The positions for checkpoints while reading tokens `[n_start, n_prompt)`: ascending, up to the prompt's end.

    Always included: the ends of system and tools and of the last two messages (if the last one is edited, reading
    continues from the one before), a few places in the last message if it is long (`rewind_positions`), `fork` (where
    the prompt leaves a known path), the `expected` positions (where the next prompt is likely to leave this one),
    volatile spans, breakpoints and the prompt's end. Other message ends and strides are added until they cost the
    fraction `budget` of the reading, at `checkpoint_cost_tokens` tokens each, and never more than `n_most`, since each
    takes a checkpoint's bytes. `n_min_stride` is a power of two.
    """
    named = dict.fromkeys(_inside_last(marks, n_start, n_min_stride), Origin.REWIND)
    named |= _certain(marks, n_start, n_prompt, fork, expected)
    n_others = min(n_most, int(budget * (n_prompt - n_start) / checkpoint_cost_tokens))
    if n_others:
        named |= _others(marks, n_start, sorted(named), n_min_stride, n_others)
    return tuple(Position(n, named[n]) for n in sorted(named))


def n_positions_most(n_fit: float) -> int:
    """The `n_most` of `checkpoint_positions` if `n_fit` states fit: one prompt must not evict those of all others."""
    return int(max(_N_POSITIONS_MIN, min(_N_POSITIONS_MAX, n_fit // 4)))


def _certain(
    marks: PromptMarks, n_start: int, n_prompt: int, fork: int | None, expected: Iterable[int]
) -> dict[int, Origin]:
    """The positions that are always included. If several origins share a position, the later, stronger one names it."""
    ends = marks.message_ends
    named: list[tuple[Iterable[int], Origin]] = [
        (() if fork is None else (fork,), Origin.FORK),
        (expected, Origin.FORK),
        (marks.volatile, Origin.VOLATILE),
        ((*ends[: marks.n_stable], *ends[-2:]), Origin.MESSAGE_END),
        ((mark.end for mark in marks.breakpoints), Origin.BREAKPOINT),
        ((n_prompt,), Origin.PROMPT_END),
    ]
    return {n: origin for positions, origin in named for n in positions if n_start < n <= n_prompt}


def last_message(marks: PromptMarks) -> tuple[int, int]:
    """The start and the end of the last message; 0 and 0 if there is none."""
    start, end = (0, 0, *marks.message_ends)[-2:]
    return start, end


def rewind_positions(start: int, end: int, n_min_stride: int = 64) -> tuple[int, ...]:
    """The checkpoint positions in a message `[start, end)` with which an edit reads few tokens again; descending.

    After a change r tokens before the end of its text, fewer than max(`n_min_stride`, 3 r) tokens are read again, for
    every r: each position is nearly four times as far from the end as the one before. Each distance allows for the
    tokens that close the message after its text.
    """
    distance, n_closing = n_min_stride - n_min_stride // 16, n_min_stride // 4
    found: list[int] = []
    while distance < end - start and (not found or end - start > 4 * (end - found[-1]) - n_closing):
        found.append(end - distance)
        distance = 4 * distance - n_closing
    return tuple(found)


def _inside_last(marks: PromptMarks, n_start: int, n_min_stride: int) -> tuple[int, ...]:
    """The `rewind_positions` of the last message, if it is so long that they add little to its reading time."""
    start, end = last_message(marks)
    if end - start < _N_LONG_STRIDES * n_min_stride:
        return ()
    return tuple(n for n in rewind_positions(start, end, n_min_stride) if n > n_start)


def _others(
    marks: PromptMarks, n_start: int, certain: list[int], n_min_stride: int, n_others: int
) -> dict[int, Origin]:
    """The best `n_others` of the other message ends and the strides; `certain` ends with the prompt."""
    n_prompt = certain[-1]
    first = bisect_right(marks.message_ends, n_start)
    before = marks.message_ends[first - 1] if first else 0
    # Going through an array halves the time: numpy converts long tuples slowly.
    ends = np.asarray(array("q", marks.message_ends[first:]))
    bounds = np.concatenate(((before,), ends))
    strides = _strides(np.sort(np.concatenate((bounds, certain)), kind="stable"), n_min_stride)
    strides = strides[strides > n_start]

    # An end represents all multiples of powers of two inside its message, a stride only itself.
    powers = _highest_bit(bounds[:-1] ^ ends)
    # A checkpoint saves the tokens since the one below it, so just after a certain checkpoint it saves nothing.
    worth = np.ones(len(ends), dtype=np.bool_)
    for low, high in np.searchsorted(ends, [(n, n + _N_WORTH) for n in (n_start, *certain)]):
        worth[low:high] = False
    ends, powers = ends[worth], powers[worth]

    # Few multiples of its power before the prompt's end come first, then the coarser power: rewinding r tokens finds
    # one of the first two multiples of some power near r, and a shorter list still halves the way. Ends win ties.
    positions = np.concatenate((ends, strides))
    powers = np.concatenate((powers, _highest_bit(strides & -strides)))
    order = (((n_prompt >> powers) - (positions >> powers)) << 7) - 2 * powers
    order[len(ends) :] += 1
    # Most positions rank too low to be chosen; dropping them first shortens the selection, which is slow.
    best = np.flatnonzero(order < n_others << 7)
    if len(best) < n_others:
        best = np.arange(len(order))
    if len(best) > n_others:
        best = best[np.argpartition(order[best], n_others)[:n_others]]
    named = dict.fromkeys(positions[best[best < len(ends)]].tolist(), Origin.MESSAGE_END)
    return named | dict.fromkeys(positions[best[best >= len(ends)]].tolist(), Origin.STRIDE)


def _strides(bounds: Positions, n_min_stride: int) -> Positions:
    """The last two multiples of each power of two from `n_min_stride` on, in each long span between `bounds`, and the
    power of two itself, for prompts that share only the start of the span, however far its end is.
    """
    starts, ends = bounds[:-1], bounds[1:]
    is_long = ends - starts >= 2 * n_min_stride
    starts, ends = starts[is_long], ends[is_long]
    if not len(ends):
        return ends
    powers = np.arange(n_min_stride.bit_length() - 1, int(ends[-1]).bit_length(), dtype=np.int64)[:, None]
    # Of the last two multiples one is odd, and belongs to this power alone; the even one belongs to a higher power.
    multiples = ((((ends - 1) >> powers) - 1) | 1) << powers
    firsts = np.ones_like(powers) << powers
    is_inside = (firsts > starts) & (firsts < ends)
    return np.unique(np.concatenate((multiples[multiples > starts], firsts[is_inside.any(axis=1)].ravel())))


def _highest_bit(numbers: Positions) -> Positions:
    """The exponent of the highest power of two in each number; 0 for 0, which an empty message gives."""
    return np.maximum(np.frexp(numbers.astype(np.float64))[1].astype(np.int64) - 1, 0)
