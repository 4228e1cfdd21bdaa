"""Positions of a sequence's inputs apart from their count: an image takes fewer positions than it has inputs."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of a chunk's inputs as `offsets` from the sequence's next one, which moves on by `n_pos`.

    Offsets start at 0 or later, never decrease, and are less than `n_pos`. Inputs may share one position.
    """

    offsets: NDArray[np.int32] = field(repr=False)
    n_pos: int

    def require(self, n_inputs: int) -> None:
        """Raise ValueError unless these can be the positions of so many inputs."""
        offsets = self.offsets
        if len(offsets) != n_inputs or offsets[0] < 0 or (np.diff(offsets) < 0).any() or offsets[-1] >= self.n_pos:
            raise ValueError(f"{n_inputs} inputs need as many offsets, none of them decreasing or beyond the last")


@dataclass(frozen=True, slots=True)
class Jump:
    """The inputs `[start, end)` of a path, which do not take one position each; none where positions are skipped.

    They begin at the position `pos` at the earliest, the last one is at `pos_last`, and the path goes on at `pos_end`.
    """

    start: int
    end: int
    pos: int
    pos_last: int
    pos_end: int


Jumps = tuple[Jump, ...]


def pos_after(n_tokens: int, jumps: Jumps) -> int:
    """The next position after so many inputs of a path. Raises ValueError inside inputs that cannot be parted."""
    for jump in reversed(jumps):
        if n_tokens >= jump.end and n_tokens > jump.start:
            return jump.pos_end + n_tokens - jump.end
        if n_tokens > jump.start:
            raise ValueError(
                f"a path cannot end at {n_tokens}: the inputs from {jump.start} to {jump.end} belong together"
            )
    return n_tokens


def jumps_until(n_tokens: int, jumps: Jumps) -> Jumps:
    """The jumps of the first inputs of a path."""
    return tuple(jump for jump in jumps if jump.start < n_tokens) if jumps else ()


class Track:
    """How far one sequence has read: `n_tokens` inputs, the next one at the position `pos`."""

    __slots__ = ("jumps", "n_tokens", "pos")

    def __init__(self) -> None:
        self.n_tokens = 0
        self.pos = 0
        self.jumps: Jumps = ()

    @property
    def pos_last(self) -> int:
        """The position of the last input, -1 if there is none."""
        if self.jumps and self.jumps[-1].end == self.n_tokens:
            return self.jumps[-1].pos_last
        return self.pos - 1

    def pos_after(self, n_tokens: int) -> int:
        """The next position after the first `n_tokens` inputs."""
        return pos_after(n_tokens, self.jumps) if self.jumps else n_tokens

    def stand(self, n_tokens: int, jumps: Jumps) -> None:
        """Be where a path with these jumps has so many inputs."""
        self.jumps = jumps_until(n_tokens, jumps)
        self.n_tokens, self.pos = n_tokens, pos_after(n_tokens, self.jumps)

    def read(self, n_inputs: int, positions: Positions | None) -> None:
        """Go on by inputs that were read."""
        if positions is None:
            self.n_tokens += n_inputs
            self.pos += n_inputs
            return
        start, pos, offsets = self.n_tokens, self.pos, positions.offsets
        first, last = int(offsets[0]), int(offsets[-1])
        self.n_tokens, self.pos = start + n_inputs, pos + positions.n_pos
        if positions.n_pos == first + n_inputs and last - first == n_inputs - 1 and (np.diff(offsets) == 1).all():
            # One each after a gap: such a chunk can be parted as any text can.
            jump = Jump(start, start, pos, pos - 1, pos + first)
        else:
            jump = Jump(start, start + n_inputs, pos, pos + last, pos + positions.n_pos)
        if jump.end > jump.start or jump.pos_end > jump.pos:
            self.jumps = (*self.jumps, jump)
