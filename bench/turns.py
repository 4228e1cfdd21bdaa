"""Measuring in turns: whoever goes first changes from round to round, so that noise and drift meet all alike."""

import math
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def in_turns(
    measures: Mapping[K, Callable[[], float]],
    n_rounds: int,
    advance: Callable[[], None],
    *,
    until: float = math.inf,
) -> dict[K, list[float]]:
    """Call each measure once a round, and collect what it says; a first round, to warm up, is thrown away.

    No round begins after `until`, in monotonic seconds, so that there may be none.
    """
    series: dict[K, list[float]] = {key: [] for key in measures}
    keys = list(measures)
    for i in range(n_rounds + 1):
        if time.monotonic() > until:
            break
        for key in keys if i % 2 else reversed(keys):
            value = measures[key]()
            if i:
                series[key].append(value)
            advance()
    return series
