"""Writes one entry to disk, from an immutable description of it, and returns the rows as written."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from segue.storage.codec import Bytes
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from segue.storage.keys import keyed
from segue.storage.rows import EntryRow, SegmentRow


@dataclass(frozen=True, slots=True)
class ModelDirectory:
    """The files of one model in a directory: `model` is its number in the index, `fingerprint` its text there."""

    directory: Directory
    model: int
    fingerprint: str


@dataclass(frozen=True, slots=True)
class EntryWrite:
    """An entry to be stored with its chain, root first; once written, its rows in the index, the entry's with its key.

    The `segments` without a file are new; `cells` has their arrays, and None for the others. `own` are the arrays of
    the state and the logits, if there are any. Immutable, so any thread may read it.
    """

    row: EntryRow
    segments: tuple[SegmentRow, ...]
    cells: tuple[Sequence[Bytes] | None, ...] = ()
    own: Sequence[Bytes] = ()


def most_bytes(files: Iterable[Sequence[Bytes]]) -> int:
    """The most bytes that files with these arrays can take; one without arrays is not written."""
    return sum(Directory.most_bytes([array.nbytes for array in arrays]) for arrays in files if arrays)


def write(place: ModelDirectory, writing: EntryWrite) -> EntryWrite:
    """Write files, then the rows that name them; returns the rows. Raises DiskError with all undone. Disk's thread."""
    directory = place.directory
    names: list[str] = []

    def write_file(arrays: Sequence[Bytes]) -> tuple[str, int]:
        name, n_bytes = directory.write_blob(arrays)
        names.append(name)
        return name, n_bytes

    try:
        segments = []
        for segment, arrays in zip(writing.segments, writing.cells, strict=True):
            name, n_bytes = (segment.file, segment.n_bytes) if arrays is None else write_file(arrays)
            segments.append(replace(segment, file=name, n_bytes=n_bytes))
        row = keyed(writing.row, writing.segments, place.fingerprint)
        if writing.own:
            name, n_bytes = write_file(writing.own)
            row = replace(row, file=name, n_bytes=n_bytes)
        known = {old.file for old, arrays in zip(writing.segments, writing.cells, strict=True) if arrays is None}
        replaced = directory.index.add(place.model, segments, row, known=known)
    except BaseException:
        with suppress(DiskError):
            directory.delete_blobs(names)
        raise
    # Files that cannot be deleted now are deleted when the directory is opened again.
    with suppress(DiskError):
        directory.delete_blobs(replaced)
    return EntryWrite(row, tuple(segments))
