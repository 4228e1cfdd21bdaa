"""The time to a first token: a checkpoint is restored, and the rest of the prompt read."""

from dataclasses import dataclass
from typing import Final

from segue.policy.prices import Prices
from segue.sim.model import SimulatedModel

_COPY_BYTES_PER_S: Final = 10e9


@dataclass(frozen=True, slots=True)
class Cost:
    """A machine with a model: tokens read a second, and bytes copied a second from the device to the host, or back.

    If `copy_bytes_per_s` is None, restoring takes as long as at 10 GB/s, and no rule knows it. Requests do not wait for
    each other, so the times show the effect of the rule alone.
    """

    model: SimulatedModel
    read_tokens_per_s: float = 1000.0
    copy_bytes_per_s: float | None = None

    @property
    def prices(self) -> Prices | None:
        """The rates as the server asks for them, if that of copies is known."""
        rate = self.copy_bytes_per_s
        return None if rate is None else Prices(rate, rate, token_s=1 / self.read_tokens_per_s)

    def first_token_s(self, n_prompt: int, n_hit: int) -> float:
        """The time to the first token of a prompt of `n_prompt` tokens, `n_hit` of which are restored."""
        n_bytes = self.model.n_bytes_state + n_hit * self.model.n_bytes_cell if n_hit else 0
        return n_bytes / (self.copy_bytes_per_s or _COPY_BYTES_PER_S) + (n_prompt - n_hit) / self.read_tokens_per_s
