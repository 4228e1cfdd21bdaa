"""A sequence's saved state, in named parts: one for each context that reads along, each in that context's format."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from segue.engine.errors import StateError
from segue.engine.positions import Jumps

Bytes = NDArray[np.uint8]
Parts = Mapping[str, Bytes]

MODEL: Final = "model"
"""The part of the context that computes the logits: no state or cells can be used without it."""


@dataclass(frozen=True, slots=True)
class State:
    """The state of a sequence after `n_tokens`, copied to host memory. Do not write to its `parts`.

    A partial state holds only what sequences cannot share, the recurrent or window part; it can be restored only
    together with the attention cells of the same path. Compare states by path, never by bytes. `jumps` tell where the
    path's positions differ from its token counts.
    """

    parts: Parts = field(repr=False)
    n_tokens: int
    is_partial: bool
    jumps: Jumps = ()

    @property
    def n_bytes(self) -> int:
        """The size of all parts."""
        return n_bytes_of(self.parts)


@dataclass(frozen=True, slots=True)
class Cells:
    """Attention cells of the tokens `[start, end)` of a path. Do not write to their `parts`.

    They can be restored only after those of `[0, start)`. A context may have read some of the tokens only, or none:
    then its part has the cells of these tokens, or is missing. `jumps` are those of the path up to `end`.
    """

    parts: Parts = field(repr=False)
    start: int
    end: int
    jumps: Jumps = ()

    @property
    def n_bytes(self) -> int:
        """The size of all parts."""
        return n_bytes_of(self.parts)


def n_bytes_of(parts: Parts) -> int:
    """The size of all parts."""
    return sum(data.nbytes for data in parts.values())


def part_of(saved: State | Cells, name: str = MODEL) -> Bytes:
    """The bytes of a part. Raises StateError if it is missing."""
    if name not in saved.parts:
        raise StateError(f"saved state lacks the part {name!r}")
    return saved.parts[name]
