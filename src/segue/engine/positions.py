"""The positions of a sequence's inputs, which can differ from their count: an image has more inputs than positions."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Positions:
    """The positions of a chunk's inputs, as `offsets` from the sequence's next position, which advances by `n_pos`.

    Offsets start at 0 or later, never decrease, and are less than `n_pos`. Inputs may share one position.
    """

    offsets: NDArray[np.int32] = field(repr=False)
    n_pos: int

    def require(self, n_inputs: int) -> None:
        """Raise ValueError unless these can be the positions of `n_inputs` inputs."""
        offsets = self.offsets
        if len(offsets) != n_inputs or offsets[0] < 0 or (np.diff(offsets) < 0).any() or offsets[-1] >= self.n_pos:
            raise ValueError(f"{n_inputs} inputs need as many offsets, which never decrease and are less than n_pos")


@dataclass(frozen=True, slots=True)
class Jump:
    """The inputs `[start, end)` of a path that do not take one position each; empty where positions are only skipped.

    Their positions begin at `pos` or later, the last one is `pos_last`, and the path continues at `pos_end`.
    """

    start: int
    end: int
    pos: int
    pos_last: int
    pos_end: int


Jumps = tuple[Jump, ...]


def pos_after(n_tokens: int, jumps: Jumps) -> int:
    """The next position after `n_tokens` inputs of a path. Raises ValueError inside inputs that cannot be split."""
    for jump in reversed(jumps):
        if n_tokens >= jump.end and n_tokens > jump.start:
            return jump.pos_end + n_tokens - jump.end
        if n_tokens > jump.start:
            raise ValueError(
                f"a path cannot end at {n_tokens}: the inputs from {jump.start} to {jump.end} belong together"
            )
    return n_tokens


def jumps_until(n_tokens: int, jumps: Jumps) -> Jumps:
    """The jumps among the first `n_tokens` inputs of a path."""
    return tuple(jump for jump in jumps if jump.start < n_tokens) if jumps else ()


class Track:
    """The progress of one sequence: it holds `n_tokens` inputs, and the next one takes the position `pos`."""

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
        """Set the track to `n_tokens` inputs of a path with these jumps."""
        self.jumps = jumps_until(n_tokens, jumps)
        self.n_tokens, self.pos = n_tokens, pos_after(n_tokens, self.jumps)

    def read(self, n_inputs: int, positions: Positions | None) -> None:
        """Advance the track by inputs that were read."""
        if positions is None:
            self.n_tokens += n_inputs
            self.pos += n_inputs
            return
        start, pos, offsets = self.n_tokens, self.pos, positions.offsets
        first, last = int(offsets[0]), int(offsets[-1])
        self.n_tokens, self.pos = start + n_inputs, pos + positions.n_pos
        if positions.n_pos == first + n_inputs and last - first == n_inputs - 1 and (np.diff(offsets) == 1).all():
            # After the gap each input takes one position, so such a chunk can be split like text.
            jump = Jump(start, start, pos, pos - 1, pos + first)
        else:
            jump = Jump(start, start + n_inputs, pos, pos + last, pos + positions.n_pos)
        if jump.end > jump.start or jump.pos_end > jump.pos:
            self.jumps = (*self.jumps, jump)
