"""The index of a cache directory: which checkpoints and segments its files hold."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

from segue.storage.errors import index_error
from segue.storage.rows import EntryRow, SegmentRow, columns, loaded, seal, stored
from segue.storage.schema import connect, connect_reader

_FILES = "(SELECT file, n_bytes FROM segments UNION ALL SELECT file, n_bytes FROM checkpoints WHERE file IS NOT NULL)"
_Row = TypeVar("_Row", SegmentRow, EntryRow)
_DROP_LOOSE_SEGMENTS = """WITH RECURSIVE needed (file) AS (
        SELECT segment FROM checkpoints
        UNION SELECT parent FROM segments JOIN needed USING (file))
    DELETE FROM segments WHERE file NOT IN (SELECT file FROM needed WHERE file IS NOT NULL)"""
_DROP_SEGMENT = """DELETE FROM segments WHERE file = :file
    AND NOT EXISTS (SELECT 1 FROM checkpoints WHERE segment = :file)
    AND NOT EXISTS (SELECT 1 FROM segments AS child WHERE child.parent = :file)
    RETURNING parent, file"""


class Index:
    """An SQLite file. Any thread may call; every change is one transaction, and on disk when the call returns.

    Every method raises DiskError if SQLite fails; then nothing was changed. A `read_only` index stays as it was when it
    was opened, whatever another process writes meanwhile, and refuses changes.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._path = path
        self._lock = Lock()
        with self._explained():
            self._database = connect_reader(path) if read_only else connect(path)

    def close(self) -> None:
        """Close the file. Closing it again is harmless."""
        with self._lock:
            self._database.close()

    def model_id(self, fingerprint: str) -> int:
        """The number of a model, which never changes once assigned."""
        with self._change() as database:
            database.execute("INSERT INTO models (fingerprint) VALUES (?) ON CONFLICT DO NOTHING", (fingerprint,))
            return int(database.execute("SELECT id FROM models WHERE fingerprint = ?", (fingerprint,)).fetchone()[0])

    def fingerprints(self) -> dict[int, str]:
        """The fingerprints of all known models, by number."""
        return dict(self._rows("SELECT id, fingerprint FROM models ORDER BY id"))

    def add(
        self, model: int, segments: Sequence[SegmentRow], checkpoint: EntryRow, *, known: Collection[str] = ()
    ) -> list[str]:
        """Store a checkpoint, replacing one of the same key, and those of its segments that are new.

        All files must be written already. The segments are a chain, root first, that ends at the checkpoint; without
        segments the row has tokens. The index must have the `known` files: DiskError if it lacks one.
        Returns the files of the checkpoint that was replaced, to be deleted now.
        """
        with self._change() as database:
            parent: str | None = None
            for row in segments:
                values = stored(replace(row, parent=parent)) | {"model": model}
                if not database.execute("SELECT 1 FROM segments WHERE file = ?", (row.file,)).fetchone():
                    if row.file in known:
                        raise sqlite3.IntegrityError(f"segment {row.file} is gone")
                    _insert(database, "segments", values)
                parent = row.file
            query = "DELETE FROM checkpoints WHERE key = ? RETURNING segment, file"
            old = database.execute(query, (checkpoint.key,)).fetchone()
            _insert(database, "checkpoints", {**stored(checkpoint), "model": model, "segment": parent})
            return _drop_files(database, *old) if old else []

    def segments(self, model: int) -> list[SegmentRow]:
        """All undamaged segments of a model, parents before their children."""
        return self._intact(SegmentRow, "segments", model)

    def checkpoints(self, model: int) -> list[EntryRow]:
        """All undamaged checkpoints of a model, in the order in which they were stored."""
        return self._intact(EntryRow, "checkpoints", model)

    def found(self, model: int) -> tuple[list[SegmentRow], list[EntryRow]]:
        """All segments and checkpoints of a model, damaged ones included."""
        return self._found(SegmentRow, "segments", model), self._found(EntryRow, "checkpoints", model)

    def keys(self) -> set[bytes]:
        """The keys of all checkpoints, damaged ones included."""
        return {bytes(key) for (key,) in self._rows("SELECT key FROM checkpoints")}

    def all_checkpoints(self) -> dict[int, list[EntryRow]]:
        """All checkpoints by the model's number, without models that have none."""
        return {model: rows for model in self.fingerprints() if (rows := self.checkpoints(model))}

    def remove(self, keys: Iterable[bytes]) -> list[str]:
        """Forget checkpoints, and segments that nothing needs any more; returns their files, to be deleted now."""
        return self._remove("key = ?", ((key,) for key in keys))

    def remove_rows(self, rows: Iterable[EntryRow]) -> list[str]:
        """Like `remove`, for entries that are still stored as these rows say: another file may have replaced theirs."""
        return self._remove("key = ? AND file IS ?", ((row.key, row.file) for row in rows))

    def remove_loose_segments(self) -> None:
        """Forget segments that no checkpoint needs, such as those that only a damaged row needed."""
        with self._change() as database:
            database.execute(_DROP_LOOSE_SEGMENTS)

    def own_files(self, keys: Iterable[bytes]) -> list[str]:
        """The files of checkpoints, without those of their segments."""
        query = "SELECT file FROM checkpoints WHERE key = ? AND file IS NOT NULL"
        return [file for key in keys for (file,) in self._rows(query, key)]

    def touch(self, key: bytes, last_used: float, n_hits: int) -> None:
        """Record a checkpoint's last use, in wall-clock seconds, and its number of uses in all."""
        with self._change() as database:
            database.execute("UPDATE checkpoints SET last_used = ?, n_hits = ? WHERE key = ?", (last_used, n_hits, key))

    def pin(self, key: bytes, pinned: bool) -> None:
        """Record whether a checkpoint is pinned."""
        with self._change() as database:
            database.execute("UPDATE checkpoints SET pinned = ? WHERE key = ?", (pinned, key))

    def used_bytes(self) -> int:
        """The bytes of all files."""
        return int(self._rows(f"SELECT coalesce(sum(n_bytes), 0) FROM {_FILES}")[0][0])

    def files(self) -> dict[str, int]:
        """All files that rows name, with their bytes."""
        return dict(self._rows(f"SELECT file, n_bytes FROM {_FILES}"))

    def _remove(self, condition: str, checkpoints: Iterable[tuple[bytes | str | None, ...]]) -> list[str]:
        files: list[str] = []
        with self._change() as database:
            for values in checkpoints:
                query = f"DELETE FROM checkpoints WHERE {condition} RETURNING segment, file"
                files += _drop_files(database, *(database.execute(query, values).fetchone() or (None, None)))
        return files

    def _intact(self, kind: type[_Row], table: str, model: int) -> list[_Row]:
        names = columns(kind).split(", ")
        return [
            loaded(kind, values)
            for seal_, *values in self._sealed(kind, table, model)
            if seal(dict(zip(names, values, strict=True), model=model)) == seal_
        ]

    def _found(self, kind: type[_Row], table: str, model: int) -> list[_Row]:
        rows = []
        for _, *values in self._sealed(kind, table, model):
            # A row whose tokens were cut short is left out.
            with suppress(ValueError):
                rows.append(loaded(kind, values))
        return rows

    def _sealed(self, kind: type[_Row], table: str, model: int) -> list[Any]:
        return self._rows(f"SELECT seal, {columns(kind)} FROM {table} WHERE model = ? ORDER BY rowid", model)

    def _rows(self, query: str, *values: int | bytes) -> list[Any]:
        with self._lock, self._explained():
            return self._database.execute(query, values).fetchall()

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._explained(), self._database:
            self._database.execute("BEGIN IMMEDIATE")
            yield self._database

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise index_error(self._path, error) from error


def _drop_files(database: sqlite3.Connection, segment: str | None, file: str | None) -> list[str]:
    """The file of a deleted checkpoint, and those of its segments that nothing needs any more, now deleted."""
    files = [file]
    while segment is not None:
        segment, file = database.execute(_DROP_SEGMENT, {"file": segment}).fetchone() or (None, None)
        files.append(file)
    return [file for file in files if file is not None]


def _insert(database: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    values = {**row, "seal": seal(row)}
    names, marks = ", ".join(values), ", ".join(f":{name}" for name in values)
    database.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", values)
