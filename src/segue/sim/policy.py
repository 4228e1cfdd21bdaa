"""What a policy is: a rule for which checkpoints to take, to keep and to go on from."""

from dataclasses import dataclass
from typing import Protocol

from segue.sim.request import TraceRequest


@dataclass(frozen=True, slots=True)
class Counts:
    """What a policy has done: states taken, those of them read back at least once, and the most bytes kept."""

    n_taken: int
    n_read_back: int
    n_bytes_peak: int


class Policy(Protocol):
    """One rule, at work. Requests come by rising time, each when the one before has ended."""

    def serve(self, request: TraceRequest) -> int:
        """Read a prompt: how many of its blocks need not be read. Keeps afterwards what the rule would keep."""

    @property
    def counts(self) -> Counts:
        """What was done so far."""
