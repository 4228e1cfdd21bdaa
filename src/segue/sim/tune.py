"""Searches for parameters of retention on one trace, and judges them on all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final

from segue.policy.retention import Retention, RetentionParameters
from segue.prefix.checkpoint import Origin
from segue.sim.capacity import Capacity
from segue.sim.model import SimulatedModel
from segue.sim.policies.segue import Segue
from segue.sim.replay import oracle_hit_tokens
from segue.sim.store import Store
from segue.sim.trace import Trace

_FACTORS: Final = (0.25, 0.5, 2.0, 4.0)
_N_ROUNDS: Final = 3
_GAIN_LEAST: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Bench:
    """A trace, and the capacities at which parameters are judged on it."""

    trace: Trace
    capacities: tuple[Capacity, ...]
    model: SimulatedModel

    def shares(self, parameters: RetentionParameters) -> tuple[float, ...]:
        """The share of the oracle's hits at each capacity."""
        n_oracle = oracle_hit_tokens(self.trace) or 1
        return tuple(self._n_hit(parameters, capacity) / n_oracle for capacity in self.capacities)

    def _n_hit(self, parameters: RetentionParameters, capacity: Capacity) -> int:
        policy = Segue(Store(capacity, self.model, self.trace.n_block_tokens), Retention(parameters))
        return sum(policy.serve(request) for request in self.trace.requests) * self.trace.n_block_tokens


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best parameters found, and their mean share on the trace of the search."""

    parameters: RetentionParameters
    share: float


@dataclass(frozen=True, slots=True)
class Knob:
    """One number among the parameters: a field, or one entry of a field that is a mapping."""

    field: str
    key: Origin | None = None

    def turned(self, parameters: RetentionParameters, factor: float) -> RetentionParameters:
        """The parameters with this number multiplied; a prior remains a probability."""
        value = getattr(parameters, self.field)
        turned = value * factor if self.key is None else value | {self.key: min(1.0, value[self.key] * factor)}
        return replace(parameters, **{self.field: turned})


def _knobs() -> list[Knob]:
    """Every number among the parameters."""
    knobs = []
    for field in fields(RetentionParameters):
        value = getattr(RetentionParameters(), field.name)
        knobs += [Knob(field.name, key) for key in value] if isinstance(value, Mapping) else [Knob(field.name)]
    return knobs


def tune(bench: Bench, tick: Callable[[], None] = lambda: None) -> Tuned:
    """Halve, quarter, double and quadruple one parameter after the other, and keep the best value.

    Ends after three rounds, or after a round without a gain. Priors stay below 1. `tick` is called after each try.
    """

    def share(parameters: RetentionParameters) -> float:
        shares = bench.shares(parameters)
        tick()
        return sum(shares) / len(shares)

    best = Tuned(RetentionParameters(), share(RetentionParameters()))
    for _ in range(_N_ROUNDS):
        before = best.share
        for knob in _knobs():
            for parameters in [knob.turned(best.parameters, factor) for factor in _FACTORS]:
                best = max(best, Tuned(parameters, share(parameters)), key=lambda tuned: tuned.share)
        if best.share - before < _GAIN_LEAST:
            break
    return best


def n_tries() -> int:
    """The most tries that a search takes."""
    return 1 + _N_ROUNDS * len(_FACTORS) * len(_knobs())
