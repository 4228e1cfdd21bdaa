"""The tables of the index, and how its file is opened."""

import os
import sqlite3
from pathlib import Path

from segue.homes.disk.errors import DAMAGED_INDEX, DiskError, disk_error

VERSION = 1
_APPLICATION = 0x53454755
"""`SEGU`, in the header of every index: no other program's database is taken for one."""

# Tokens stand last: SQLite then sums sizes without reading them. A parent is always older than its children.
_TABLES = (
    "CREATE TABLE models (id INTEGER PRIMARY KEY, fingerprint TEXT NOT NULL UNIQUE)",
    """CREATE TABLE links (
        id INTEGER PRIMARY KEY,
        model INTEGER NOT NULL REFERENCES models,
        scope TEXT NOT NULL,
        parent INTEGER REFERENCES links CHECK (parent < id),
        start INTEGER NOT NULL,
        file TEXT NOT NULL UNIQUE,
        n_bytes INTEGER NOT NULL,
        tokens BLOB NOT NULL)""",
    """CREATE TABLE checkpoints (
        id INTEGER PRIMARY KEY,
        model INTEGER NOT NULL REFERENCES models,
        scope TEXT NOT NULL,
        link INTEGER REFERENCES links,
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
        cuts TEXT,
        tokens BLOB,
        CHECK ((link IS NULL) <> (tokens IS NULL)))""",
    "CREATE INDEX links_of_parent ON links (parent)",
    "CREATE INDEX checkpoints_of_link ON checkpoints (link)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)


def connect(path: Path) -> sqlite3.Connection:
    """The index in a file, made with mode 0600 if there is none; every transaction is on disk when it ends.

    Raises DiskError, or sqlite3.Error as SQLite does.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise disk_error(f"cannot use the index {path}", error) from error
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    database.execute("PRAGMA foreign_keys = ON")
    database.execute("PRAGMA synchronous = FULL")
    if not _number(database, "SELECT count(*) FROM sqlite_master"):
        database.execute("PRAGMA journal_mode = WAL")
        with database:
            database.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                database.execute(statement)
    if _number(database, "PRAGMA application_id") != _APPLICATION:
        raise DiskError(f"{path} is not an index of Segue; use another --cache-dir")
    version = _number(database, "PRAGMA user_version")
    if version != VERSION:
        raise DiskError(
            f"{path} was written by another version of Segue (format {version}, not {VERSION}); "
            "use another --cache-dir, or run `segue cache prune`"
        )
    (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if state != "ok":
        raise DiskError(f"cannot use the index {path}: {DAMAGED_INDEX}")


def _number(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])
