"""Writes one entry to disk, from an immutable description of it, and returns the rows as written."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from segue.engine.cells import Bytes
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from segue.storage.rows import EntryRow, SegmentRow


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """The files of one model in a directory: `model` is its number in the index, `fingerprint` its text there."""

    directory: Directory
    model: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class EntryWrite:
    """An entry to be stored with its chain, root first; once written, its rows in the index.

    The `segments` without a file are new; `cells` has their bytes, and None for the others. `parts` are the blob and
    the logits, as far as there are any. Immutable, so any thread may read it.
    """

    row: EntryRow
    segments: tuple[SegmentRow, ...]
    cells: tuple[Bytes | None, ...] = ()
    parts: tuple[Bytes, ...] = ()


def most_bytes(new: Sequence[int], parts: Sequence[int]) -> int:
    """The most bytes that the files for new segments and the parts of one checkpoint, of these sizes, can take."""
    return sum(Directory.most_bytes([n]) for n in new) + (Directory.most_bytes(parts) if parts else 0)


def write(place: ModelDirectory, writing: EntryWrite) -> EntryWrite:
    """Write files, then the rows that name them; returns the rows. Raises DiskError with all undone. Disk's thread."""
    directory = place.directory
    names: list[str] = []

    def write_file(parts: Sequence[Bytes]) -> tuple[str, int]:
        name, n_bytes = directory.write_blob(parts)
        names.append(name)
        return name, n_bytes

    try:
        segments = []
        for segment, data in zip(writing.segments, writing.cells, strict=True):
            name, n_bytes = (segment.file, segment.n_bytes) if data is None else write_file([data])
            segments.append(replace(segment, file=name, n_bytes=n_bytes))
        row = writing.row
        if writing.parts:
            name, n_bytes = write_file(writing.parts)
            row = replace(row, file=name, n_bytes=n_bytes)
        known = {old.file for old, data in zip(writing.segments, writing.cells, strict=True) if data is None}
        replaced = directory.index.add(place.model, segments, row, known=known)
    except BaseException:
        with suppress(DiskError):
            directory.delete_blobs(names)
        raise
    # Files that cannot be deleted now are deleted when the directory is opened again.
    with suppress(DiskError):
        directory.delete_blobs(replaced)
    return EntryWrite(row, tuple(segments))
