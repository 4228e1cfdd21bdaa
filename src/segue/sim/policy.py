"""The protocol of a policy: a rule for the checkpoints to take, to keep and to start from."""

from dataclasses import dataclass
from typing import Protocol

from segue.sim.request import TraceRequest


@dataclass(frozen=True, slots=True)
class Counts:
    """The work of a policy: states taken, states restored at least once, and the most bytes kept."""

    n_taken: int
    n_read_back: int
    n_bytes_peak: int


class Policy(Protocol):
    """One rule at work. Requests come by rising time, each after the one before has ended."""

    def serve(self, request: TraceRequest) -> int:
        """Read a prompt, and keep the checkpoints of the rule; returns the number of blocks that need not be read."""

    @property
    def counts(self) -> Counts:
        """The work so far."""
