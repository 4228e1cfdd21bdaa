"""The results of one trace as curves: share of hits against room."""

from collections.abc import Sequence
from dataclasses import dataclass

from segue.sim.capacity import Capacity
from segue.sim.replay import Result


@dataclass(frozen=True, slots=True)
class Curve:
    """One policy's results, by rising room."""

    policy: str
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The curves of all policies on one trace. `capacities` rise, all counts or all bytes; the last may be `inf`."""

    trace: str
    capacities: tuple[str, ...]
    curves: tuple[Curve, ...]


def comparison(trace: str, capacities: Sequence[Capacity], results: Sequence[Result]) -> Comparison:
    """Sort results into curves, policies in the order of their first results."""
    ordered = sorted(capacities, key=lambda capacity: (capacity.n_bytes, capacity.n_checkpoints))
    rooms = tuple(dict.fromkeys(str(capacity) for capacity in ordered))
    names = dict.fromkeys(result.policy for result in results)
    by_room = {(result.policy, result.capacity): result for result in results}
    curves = (Curve(name, tuple(by_room[name, room] for room in rooms)) for name in names)
    return Comparison(trace, rooms, tuple(curves))
