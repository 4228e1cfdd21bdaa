"""The room of a policy: a number of checkpoints, a number of bytes, or no bound."""

import math
import re
from dataclasses import dataclass
from typing import Final

_UNITS: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(B|[KMGT]iB)")


@dataclass(frozen=True, slots=True)
class Capacity:
    """At most `n_checkpoints` states, or at most `n_bytes` of states and attention cells; infinite if unbounded."""

    n_checkpoints: float = math.inf
    n_bytes: float = math.inf

    def __str__(self) -> str:
        if self.n_bytes < math.inf:
            unit = next(unit for unit in reversed(_UNITS) if self.n_bytes >= _UNITS[unit] or unit == "B")
            return f"{self.n_bytes / _UNITS[unit]:g}{unit}"
        return "inf" if self.n_checkpoints == math.inf else f"{self.n_checkpoints:g}"


def parse(text: str) -> Capacity:
    """Read `32`, `8GiB` or `inf`; raises ValueError for anything else, and for 0."""
    if text == "inf":
        return Capacity()
    size = _SIZE.fullmatch(text)
    capacity = None
    if size is not None:
        capacity = Capacity(n_bytes=float(size[1]) * _UNITS[size[2]])
    elif text.isdecimal():
        capacity = Capacity(n_checkpoints=int(text))
    if capacity is None or min(capacity.n_bytes, capacity.n_checkpoints) < 1:
        raise ValueError(f"{text!r} is neither a number of checkpoints, nor a size such as 8GiB, nor inf")
    return capacity
