"""The time to a first token: a checkpoint is restored, and the rest of the prompt read."""

from dataclasses import dataclass

from segue.sim.model import SimulatedModel


@dataclass(frozen=True, slots=True)
class Cost:
    """A machine with a model: tokens read a second, and bytes a second from the tier into the context.

    Requests do not wait for each other, so the times show the effect of the rule alone.
    """

    model: SimulatedModel
    read_tokens_per_s: float = 1000.0
    restore_bytes_per_s: float = 10e9

    def first_token_s(self, n_prompt: int, n_hit: int) -> float:
        """The time to the first token of a prompt of `n_prompt` tokens, `n_hit` of which are restored."""
        n_bytes = self.model.n_bytes_state + n_hit * self.model.n_bytes_cell if n_hit else 0
        return n_bytes / self.restore_bytes_per_s + (n_prompt - n_hit) / self.read_tokens_per_s
