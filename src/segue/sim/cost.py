"""How long a first token takes: a checkpoint is brought back, and the rest of the prompt read."""

from dataclasses import dataclass

from segue.sim.model import SimulatedModel


@dataclass(frozen=True, slots=True)
class Cost:
    """A machine with a model: tokens read a second, and bytes a second from the home to where they are used.

    Requests do not wait for each other, so this is what the rule alone does to one.
    """

    model: SimulatedModel
    read_tokens_per_s: float = 1000.0
    home_bytes_per_s: float = 10e9

    def first_token_s(self, n_prompt: int, n_hit: int) -> float:
        """The time to the first token of a prompt of `n_prompt` tokens, `n_hit` of which are brought back."""
        n_bytes = self.model.n_bytes_state + n_hit * self.model.n_bytes_cell if n_hit else 0
        return n_bytes / self.home_bytes_per_s + (n_prompt - n_hit) / self.read_tokens_per_s
