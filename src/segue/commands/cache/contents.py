"""Everything that a cache directory holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from segue.commands.cache.file_usage import FileUsage
from segue.commands.cache.ids import shortened
from segue.commands.cache.stored_checkpoint import StoredCheckpoint
from segue.storage.errors import DamagedError, DiskError
from segue.storage.fingerprints import parsed
from segue.storage.index import Index
from segue.storage.rows import SegmentRow

_N_SHORT = 8


@dataclass(frozen=True, slots=True)
class DirectoryContents:
    """A directory at one moment: its checkpoints, the last used first, and each model's fingerprint by number."""

    path: Path
    checkpoints: tuple[StoredCheckpoint, ...]
    models: Mapping[int, Mapping[str, str]]
    n_files: int
    used_bytes: int

    @classmethod
    def of(cls, path: Path, index: Index) -> "DirectoryContents":
        """The contents of a directory, by its index. Raises DiskError."""
        models = {number: _fields(text, path) for number, text in index.fingerprints().items()}
        checkpoints = [checkpoint for number in models for checkpoint in _checkpoints(index, number)]
        checkpoints.sort(key=lambda checkpoint: (checkpoint.row.last_used, checkpoint.id), reverse=True)
        return cls(path, tuple(checkpoints), models, len(index.files()), index.used_bytes())

    @classmethod
    def read(cls, path: Path) -> "DirectoryContents":
        """The present contents of a directory, which may be in use; changes nothing. Raises DiskError."""
        index = Index(path / "index.sqlite", read_only=True)
        try:
            return cls.of(path, index)
        finally:
            index.close()

    def find(self, beginnings: Iterable[str]) -> list[StoredCheckpoint]:
        """The checkpoints whose ids begin so, ignoring case. Raises DiskError unless each beginning fits just one."""
        fitting = {beginning.lower(): self._beginning_with(beginning.lower()) for beginning in beginnings}
        if missing := [beginning for beginning, checkpoints in fitting.items() if not checkpoints]:
            raise DiskError(f"{self.path} has no checkpoint {', '.join(missing)}; segue cache ls shows its checkpoints")
        if unclear := [beginning for beginning, checkpoints in fitting.items() if len(checkpoints) > 1]:
            raise DiskError(
                f"{self.path} has several checkpoints {', '.join(unclear)}; give more digits, as segue cache ls shows"
            )
        return list({checkpoint.id: checkpoint for (checkpoint,) in fitting.values()}.values())

    @property
    def short_ids(self) -> dict[str, str]:
        """The part of each checkpoint's id that ls shows."""
        return shortened(checkpoint.id for checkpoint in self.checkpoints)

    def model_name(self, number: int) -> str:
        """The beginning of a model file's digest, with the number if the directory has other settings of that file."""
        name = self.models[number].get("model", "unknown")[:_N_SHORT]
        same = [fields for fields in self.models.values() if fields.get("model", "unknown")[:_N_SHORT] == name]
        return f"{name}-{number}" if len(same) > 1 else name

    def file_usage(self) -> FileUsage:
        """The files that the checkpoints use, before any is removed."""
        return FileUsage(self.checkpoints)

    def _beginning_with(self, digits: str) -> list[StoredCheckpoint]:
        return [checkpoint for checkpoint in self.checkpoints if checkpoint.id.startswith(digits)]


def _fields(text: str, path: Path) -> dict[str, str]:
    fields = parsed(text)
    if not fields:
        raise DamagedError(f"the index in {path} is damaged: {text[:40]!r} is not a fingerprint")
    return fields


def _checkpoints(index: Index, model: int) -> list[StoredCheckpoint]:
    segments = {segment.file: segment for segment in index.segments(model)}
    found = []
    for row in index.checkpoints(model):
        chain: list[SegmentRow] = []
        segment = segments.get(row.segment or "")
        while segment is not None:
            chain.append(segment)
            segment = segments.get(segment.parent or "")
        found.append(StoredCheckpoint(row, model, tuple(reversed(chain))))
    return found
