"""Removes checkpoints from a directory, and counts the bytes that this frees."""

from collections.abc import Sequence
from dataclasses import dataclass

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.stored_checkpoint import StoredCheckpoint
from segue.commands.cache.units import counted, size
from segue.storage.directory import Directory


@dataclass(frozen=True, slots=True)
class Removal:
    """The number of removed checkpoints, the bytes that this frees, and the bytes that are left."""

    n_removed: int
    freed_bytes: int
    left_bytes: int

    @classmethod
    def of(cls, checkpoints: Sequence[StoredCheckpoint], contents: DirectoryContents) -> "Removal":
        """The result of removing these checkpoints from all."""
        usage = contents.file_usage()
        for checkpoint in checkpoints:
            usage.remove(checkpoint)
        return cls(len(checkpoints), contents.used_bytes - usage.used_bytes, usage.used_bytes)

    def text(self, verb: str) -> str:
        """One line; `verb` is "removed" or "would be removed"."""
        return (
            f"{counted(self.n_removed, 'checkpoint')} {verb}: {size(self.freed_bytes)} freed, "
            f"{size(self.left_bytes)} left"
        )


def remove(directory: Directory, checkpoints: Sequence[StoredCheckpoint]) -> None:
    """Remove checkpoints and the segments that only they needed. Raises DiskError, with the index still consistent."""
    directory.remove(checkpoint.row.key for checkpoint in checkpoints)
