"""Counts the bytes that remain in a directory as checkpoints are removed."""

from collections import Counter
from collections.abc import Iterable

from segue.commands.cache.stored_checkpoint import StoredCheckpoint


class FileUsage:
    """The files of the checkpoints left. `used_bytes` counts a file once, even if several checkpoints need it."""

    def __init__(self, checkpoints: Iterable[StoredCheckpoint]) -> None:
        self.n_needing: Counter[str] = Counter()
        self.used_bytes = 0
        for checkpoint in checkpoints:
            self.n_needing.update(segment.file for segment in checkpoint.chain)
            self.used_bytes += self.freed_bytes(checkpoint)

    def freed_bytes(self, checkpoint: StoredCheckpoint) -> int:
        """The bytes that removing this checkpoint would free: its own file, and segments that only it needs."""
        return checkpoint.row.n_bytes + sum(
            segment.n_bytes for segment in checkpoint.chain if self.n_needing[segment.file] == 1
        )

    def remove(self, checkpoint: StoredCheckpoint) -> None:
        """Remove one of the remaining checkpoints."""
        self.used_bytes -= self.freed_bytes(checkpoint)
        self.n_needing.subtract(segment.file for segment in checkpoint.chain)
