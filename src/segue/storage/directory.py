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
    """A cache directory that this process alone uses until `close()`. Any thread; every method raises DiskError.

    A file is written before the index names it, and deleted after the index has forgotten it. So opening the directory
    finds and deletes the files that a killed process left behind. `forgotten` are checkpoints that were removed when
    the directory was opened, because they had lost a file or their row in the index was damaged.
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
        """Release the directory for other processes. Closing it again is harmless."""
        self._opened.close()

    def lost_paths(self, model: int) -> Iterator[tuple[str, Tokens]]:
        """The namespace and path of a model's `forgotten` checkpoints, as far as their rows are legible; given once."""
        return lost_paths(*self._lost.pop(model, ((), {})))

    @property
    def used_bytes(self) -> int:
        """The bytes of all files that the index names."""
        return self.index.used_bytes()

    @staticmethod
    def most_bytes(sizes: Sequence[int]) -> int:
        """The most bytes that a file takes, given the sizes of its arrays."""
        return blobfile.most_bytes(sizes, 2 * _N_BYTES_NAME)

    def write_blob(self, parts: Sequence[Bytes]) -> tuple[str, int]:
        """Write arrays to a new file, which the index must name next; returns its name and its bytes."""
        name = secrets.token_hex(_N_BYTES_NAME)
        try:
            return name, blobfile.write(self._blobs, name, parts)
        except BaseException:
            # No index names a file that may not last, so nobody would count its bytes.
            with suppress(OSError):
                (self._blobs / name).unlink(missing_ok=True)
            raise

    def read_blob(self, name: str) -> list[Bytes]:
        """The arrays of a file, all verified. Raises DamagedError if the file changed since it was written."""
        return blobfile.read(self._path(name))

    def remove(self, keys: Iterable[bytes]) -> None:
        """Forget checkpoints, and delete the files that only they needed."""
        keys = list(keys)
        self._remove(lambda: self.index.remove(keys), lambda: self.index.own_files(keys))

    def remove_rows(self, rows: Iterable[EntryRow]) -> None:
        """Like `remove`, for entries that are still stored as these rows say."""
        rows = list(rows)
        self._remove(lambda: self.index.remove_rows(rows), lambda: [row.file for row in rows if row.file is not None])

    def delete_blobs(self, names: Iterable[str]) -> None:
        """Delete files that the index has forgotten; a file that is already gone is not an error."""
        for name in names:
            path = self._path(name)
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise disk_error(f"cannot delete {path}", error) from error

    def verify(self, on_read: Callable[[int], None] = lambda _: None) -> list[str]:
        """Read every file and follow every chain; returns a line for each fault.

        `on_read` is called after each file with its bytes, as the index counts them.
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

    def _remove(self, forget: Callable[[], list[str]], own_files: Callable[[], list[str]]) -> None:
        try:
            files = forget()
        except FullError:
            # Forgetting them needs room, which their files free. The next opening forgets any that are left.
            self.delete_blobs(own_files())
            files = forget()
        self.delete_blobs(files)

    def _path(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise DamagedError(f"{name!r} is not the name of a file in {self._blobs}")
        return self._blobs / name

    def _clean(self) -> None:
        """Forget checkpoints that lost a file or are damaged, and delete unnamed files; other programs' files stay."""
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
        """The keys of checkpoints whose files, and those of their segments, are all present."""
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
    """Segments that do not continue their parent."""
    torn = []
    for segment in segments.values():
        parent = segments.get(segment.parent or "")
        if parent is None:
            is_whole = segment.parent is None and segment.start == 0
        else:
            is_whole = parent.namespace == segment.namespace and parent.start < segment.start <= parent.end
        if not is_whole or not len(segment.tokens):
            torn.append(segment)
    return torn


def _stands(checkpoint: EntryRow, segments: Mapping[str, SegmentRow]) -> bool:
    """Whether its chain, or its own tokens, reach its position."""
    if checkpoint.tokens is not None:
        return len(checkpoint.tokens) == checkpoint.n_tokens
    segment = segments.get(checkpoint.segment or "")
    return (
        segment is not None
        and segment.namespace == checkpoint.namespace
        and segment.start < checkpoint.n_tokens <= segment.end
    )
