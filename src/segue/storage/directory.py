"""A cache directory: a lock, an index, and a file for each segment and each checkpoint that has bytes."""

import os
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from segue.storage import blobfile
from segue.storage.codec import Bytes
from segue.storage.errors import DamagedError, DiskError, FullError, disk_error
from segue.storage.index import Index
from segue.storage.lock import DirectoryLock
from segue.storage.lost import lost_paths
from segue.storage.rows import EntryRow, SegmentRow, Tokens

_N_BYTES_NAME = 8
_NAME = re.compile(r"[0-9a-f]{16}")
_LEFT_OVER = re.compile(r"[0-9a-f]{16}|\.[0-9a-f]{16}\.tmp")


class Directory:
    """Any thread may call; the directory is this process' alone until `close()`. Everything raises DiskError.

    A file is written before the index names it, and deleted after the index has forgotten it. So whatever a process
    that was killed leaves behind is found, and gone, when the directory is opened again. `forgotten` are checkpoints
    that had lost a file by then, or stood otherwise in the index than they were stored, and were removed.
    """

    def __init__(self, path: Path) -> None:
        self.forgotten: Sequence[bytes] = ()
        self._lost: dict[int, tuple[list[EntryRow], dict[str, SegmentRow]]] = {}
        self._blobs = path / "blobs"
        with ExitStack() as opened:
            opened.callback(DirectoryLock(path).close)
            self.index = Index(path / "index.sqlite")
            opened.callback(self.index.close)
            try:
                self._blobs.mkdir(0o700, exist_ok=True)
                self._clean()
            except OSError as error:
                raise disk_error(f"cannot use {self._blobs}", error) from error
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Let another process have the directory; again is harmless."""
        self._opened.close()

    def lost_paths(self, model: int) -> Iterator[tuple[str, Tokens]]:
        """The scope and the path of each of a model's `forgotten` checkpoints, as far as their rows tell; told once."""
        return lost_paths(*self._lost.pop(model, ((), {})))

    @property
    def used_bytes(self) -> int:
        """What all files that the index names take."""
        return self.index.used_bytes()

    @staticmethod
    def most_bytes(sizes: Sequence[int]) -> int:
        """What a file of arrays of so many bytes takes at most."""
        return blobfile.most_bytes(sizes, 2 * _N_BYTES_NAME)

    def write_blob(self, parts: Sequence[Bytes]) -> tuple[str, int]:
        """Write arrays to a new file, to be named in the index next; its name, and the bytes that it takes."""
        name = secrets.token_hex(_N_BYTES_NAME)
        try:
            return name, blobfile.write(self._blobs, name, parts)
        except BaseException:
            # What may not last is in no index, and would take room that nobody counts.
            with suppress(OSError):
                (self._blobs / name).unlink(missing_ok=True)
            raise

    def read_blob(self, name: str) -> list[Bytes]:
        """The arrays of a file, all verified. Raises DamagedError where it is not what was written."""
        return blobfile.read(self._path(name))

    def remove(self, keys: Iterable[bytes]) -> None:
        """Forget checkpoints, and delete the files that only they needed."""
        keys = list(keys)
        try:
            files = self.index.remove(keys)
        except FullError:
            # To forget them takes room, which their files give; what lost its file is forgotten at the next opening.
            self.delete_blobs(self.index.own_files(keys))
            files = self.index.remove(keys)
        self.delete_blobs(files)

    def remove_rows(self, rows: Iterable[EntryRow]) -> None:
        """As `remove` does, but only what is still stored as these rows say."""
        rows = list(rows)
        try:
            files = self.index.remove_rows(rows)
        except FullError:
            self.delete_blobs(row.file for row in rows if row.file is not None)
            files = self.index.remove_rows(rows)
        self.delete_blobs(files)

    def delete_blobs(self, names: Iterable[str]) -> None:
        """Delete files that the index has forgotten; those that are gone already are as good."""
        for name in names:
            path = self._path(name)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise disk_error(f"cannot delete {path}", error) from error

    def verify(self, on_read: Callable[[int], None] = lambda _: None) -> list[str]:
        """Read every file and follow every chain; a line about each thing that is wrong.

        `on_read` hears, file by file, the bytes that it takes by the index.
        """
        wrong = []
        for name, n_bytes in self.index.files().items():
            try:
                self.read_blob(name)
            except DiskError as error:
                wrong.append(str(error))
            on_read(n_bytes)
        for model in self.index.fingerprints():
            segments = {segment.file: segment for segment in self.index.segments(model)}
            wrong += [
                f"segment {segment.file} does not continue segment {segment.parent}" for segment in _torn(segments)
            ]
            for checkpoint in self.index.checkpoints(model):
                if not _stands(checkpoint, segments):
                    wrong.append(f"checkpoint {checkpoint.key.hex()} does not stand on segment {checkpoint.segment}")
        return wrong

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise DamagedError(f"{name!r} is not the name of a file in {self._blobs}")
        return self._blobs / name

    def _clean(self) -> None:
        """Forget what lost its file or is damaged, delete the files that nothing names; other programs' files stay."""
        present = set(os.listdir(self._blobs))
        lost = self.index.keys() - self._whole(present)
        if lost:
            self.forgotten = sorted(lost)
            for model in self.index.fingerprints():
                segments, checkpoints = self.index.found(model)
                by_file = {segment.file: segment for segment in segments}
                self._lost[model] = [row for row in checkpoints if row.key in lost], by_file
            self.index.remove(self.forgotten)
        self.index.remove_loose_segments()
        left_over = {name for name in present if _LEFT_OVER.fullmatch(name)} - self.index.files().keys()
        for name in left_over:
            (self._blobs / name).unlink()

    def _whole(self, present: set[str]) -> set[bytes]:
        """The keys of checkpoints whose files are among these, those of their segments too."""
        found: set[bytes] = set()
        files = {None, *present}
        for model in self.index.fingerprints():
            segments: set[str | None] = {None}
            for segment in self.index.segments(model):
                if segment.file in present and segment.parent in segments:
                    segments.add(segment.file)
            rows = self.index.checkpoints(model)
            found |= {row.key for row in rows if row.file in files and row.segment in segments}
        return found


def _torn(segments: Mapping[str, SegmentRow]) -> list[SegmentRow]:
    """Segments that do not begin where their parent leads to."""
    torn = []
    for segment in segments.values():
        parent = segments.get(segment.parent or "")
        if parent is None:
            is_whole = segment.parent is None and segment.start == 0
        else:
            is_whole = parent.scope == segment.scope and parent.start < segment.start <= parent.end
        if not is_whole or not len(segment.tokens):
            torn.append(segment)
    return torn


def _stands(checkpoint: EntryRow, segments: Mapping[str, SegmentRow]) -> bool:
    """Whether its chain, or its own tokens, lead to where it stands."""
    if checkpoint.tokens is not None:
        return len(checkpoint.tokens) == checkpoint.n_tokens
    segment = segments.get(checkpoint.segment or "")
    return (
        segment is not None and segment.scope == checkpoint.scope and segment.start < checkpoint.n_tokens <= segment.end
    )
