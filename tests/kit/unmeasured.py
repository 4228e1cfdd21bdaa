"""What cuts cost on a machine whose speed nobody has measured."""

from segue.loop.cost import CheckpointCost


class Unmeasured(CheckpointCost):
    """Stays at the first guess: where prompts are cut and whether states are restored then depends on no clock."""

    def note_read(self, n_tokens: int, seconds: float) -> None:
        """Pass over how long a batch took."""

    def note_save(self, seconds: float) -> None:
        """Pass over how long a checkpoint took."""
