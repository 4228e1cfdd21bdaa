"""Chooses the checkpoints that `segue cache prune` removes."""

from dataclasses import dataclass

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.stored_checkpoint import StoredCheckpoint


@dataclass(frozen=True, slots=True)
class PruneChoice:
    """Removes all checkpoints that meet a condition, then those used longest ago until the rest fits a limit."""

    unused_s: float | None = None
    limit_bytes: int | None = None
    other_models: bool = False

    def of(self, contents: DirectoryContents, now: float) -> list[StoredCheckpoint]:
        """The checkpoints to remove, those used longest ago first; never pinned ones."""
        loose = [checkpoint for checkpoint in reversed(contents.checkpoints) if not checkpoint.row.pinned]
        model = contents.checkpoints[0].model if contents.checkpoints else None
        usage = contents.file_usage()
        chosen: list[StoredCheckpoint] = []
        rest: list[StoredCheckpoint] = []
        for checkpoint in loose:
            is_old = self.unused_s is not None and now - checkpoint.row.last_used > self.unused_s
            matches = is_old or (self.other_models and checkpoint.model != model)
            (chosen if matches else rest).append(checkpoint)
        for checkpoint in chosen:
            usage.remove(checkpoint)
        for checkpoint in rest:
            if self.limit_bytes is None or usage.used_bytes <= self.limit_bytes:
                break
            usage.remove(checkpoint)
            chosen.append(checkpoint)
        return chosen
