"""The tables of the index, and the opening of its file."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from segue.storage.errors import DAMAGED_INDEX, DiskError, disk_error

VERSION = 5
_APPLICATION = 0x53454755
"""`SEGU`, in the header of every index: Segue mistakes no other program's database for its own."""

# Tokens are the last column: SQLite then sums sizes without reading them. A parent has a smaller rowid than its
# children. In a strict table, quick_check also finds values of the wrong type.
_TABLES = (
    "CREATE TABLE models (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE) STRICT",
    """CREATE TABLE segments (
        file TEXT NOT NULL PRIMARY KEY,
        model INTEGER NOT NULL REFERENCES models,
        namespace TEXT NOT NULL,
        parent TEXT REFERENCES segments,
        start INTEGER NOT NULL,
        n_bytes INTEGER NOT NULL,
        seal BLOB NOT NULL,
        tokens BLOB NOT NULL) STRICT""",
    """CREATE TABLE checkpoints (
        key BLOB NOT NULL PRIMARY KEY,
        model INTEGER NOT NULL REFERENCES models,
        namespace TEXT NOT NULL,
        segment TEXT REFERENCES segments,
        n_tokens INTEGER NOT NULL,
        pos_min INTEGER NOT NULL,
        pos_max INTEGER NOT NULL,
        origin TEXT NOT NULL,
        file TEXT UNIQUE,
        n_bytes INTEGER NOT NULL,
        has_logits INTEGER NOT NULL,
        created REAL NOT NULL,
        last_used REAL NOT NULL,
        n_hits INTEGER NOT NULL,
        pinned INTEGER NOT NULL,
        positions_digest TEXT,
        seal BLOB NOT NULL,
        tokens BLOB,
        CHECK ((segment IS NULL) <> (tokens IS NULL))) STRICT""",
    "CREATE INDEX segments_of_parent ON segments (parent)",
    "CREATE INDEX checkpoints_of_segment ON checkpoints (segment)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)


def connect(path: Path) -> sqlite3.Connection:
    """Open the index in a file, which is created with mode 0600 if missing; every transaction is on disk when it ends.

    Raises DiskError, or sqlite3.Error as SQLite does.
    """
    return _connect(path, os.O_RDWR | os.O_CREAT, "rw", _prepare, _is_mended)


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open the index as it is now, whatever another process writes to it. The file must exist, and cannot be changed.

    Raises DiskError, or sqlite3.Error as SQLite does.
    """
    # SQLite shares its log through a file beside it, which it cannot create on a read-only file system.
    mode = "ro&immutable=1" if _is_on_read_only(path) else "ro"
    return _connect(path, os.O_RDONLY, mode, lambda database: database.execute("BEGIN"), _is_readable)


def _is_on_read_only(path: Path) -> bool:
    try:
        return bool(os.statvfs(path.parent).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _connect(
    path: Path,
    flags: int,
    mode: str,
    prepare: Callable[[sqlite3.Connection], object],
    is_usable: Callable[[sqlite3.Connection], bool],
) -> sqlite3.Connection:
    try:
        os.close(os.open(path, flags | os.O_NOFOLLOW, 0o600))
    except FileNotFoundError as error:
        raise DiskError(f"{path.parent} is not a cache directory: it has no {path.name}; check --cache-dir") from error
    except OSError as error:
        raise disk_error(f"cannot use the index {path}", error) from error
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    try:
        prepare(database)
        _check_version(database, path)
        if not is_usable(database):
            raise DiskError(f"cannot use the index {path}: {DAMAGED_INDEX}")
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection) -> None:
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("PRAGMA synchronous = FULL")
    if not _number(database, "SELECT count(*) FROM sqlite_master"):
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                database.execute(statement)


def _check_version(database: sqlite3.Connection, path: Path) -> None:
    if _number(database, "PRAGMA application_id") != _APPLICATION:
        raise DiskError(f"{path} is not an index of Segue; use another --cache-dir")
    version = _number(database, "PRAGMA user_version")
    if version != VERSION:
        raise DiskError(
            f"{path} was written by another version of Segue (format {version}, not {VERSION}); "
            "delete the directory, or use another --cache-dir"
        )


def _is_readable(database: sqlite3.Connection) -> bool:
    return _is_ok(database, "PRAGMA quick_check(1)")


def _is_mended(database: sqlite3.Connection) -> bool:
    """Whether all is well, if need be after the lookup tables were built anew from rows, which have seals."""
    if _is_ok(database, "PRAGMA integrity_check(1)"):
        return True
    if not _is_readable(database):
        return False
    try:
        database.execute("REINDEX")
    except sqlite3.IntegrityError:
        return False
    return _is_ok(database, "PRAGMA integrity_check(1)")


def _is_ok(database: sqlite3.Connection, check: str) -> bool:
    return bool(database.execute(check).fetchone() == ("ok",))


def _number(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])
