"""Stores memories of conversations in a file beside their checkpoints, or in memory."""

import os
import sqlite3
import threading
from pathlib import Path

import blake3

_TABLE = """
CREATE TABLE IF NOT EXISTS note (
    kind TEXT NOT NULL, digest BLOB NOT NULL, value BLOB NOT NULL, used INTEGER NOT NULL,
    PRIMARY KEY (kind, digest)
) WITHOUT ROWID
"""
_ORDER = "CREATE INDEX IF NOT EXISTS note_used ON note (used)"
_BUSY_S = 5.0
_ROW_BYTES = 200
_N_SEAL_BYTES = 16


class SideStore:
    """Bytes by their kind and a digest, in a file of its own or, without one, in memory; any thread.

    Beyond `limit_bytes` the least recently used go. A value that cannot be read or written, or differs from the one
    put, is a miss, never an error.
    """

    def __init__(self, path: Path | None, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        try:
            self._open(path)
        except (OSError, sqlite3.Error):
            self._open(None)

    def get(self, kind: str, digest: bytes) -> bytes | None:
        """The value that was put for this digest, if it is still there."""
        with self._lock:
            try:
                self._clock += 1
                row = self._db.execute(
                    "UPDATE note SET used = ? WHERE kind = ? AND digest = ? RETURNING value",
                    (self._clock, kind, digest),
                ).fetchone()
            except sqlite3.Error:
                return None
            if row is None:
                return None
            sealed = bytes(row[0])
            value = sealed[_N_SEAL_BYTES:]
            return value if sealed == _sealed(kind, digest, value) else None

    def put(self, kind: str, digest: bytes, value: bytes) -> None:
        """Keep a value, in place of one of the same kind that has the same digest."""
        with self._lock:
            try:
                self._delete("kind = ? AND digest = ?", kind, digest)
                self._clock += 1
                sealed = _sealed(kind, digest, value)
                self._db.execute("INSERT INTO note VALUES (?, ?, ?, ?)", (kind, digest, sealed, self._clock))
                self._used_bytes += len(sealed) + _ROW_BYTES
                while self._used_bytes > self._limit_bytes:
                    self._delete("(kind, digest) = (SELECT kind, digest FROM note ORDER BY used LIMIT 1)")
            except sqlite3.Error:
                return

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _delete(self, where: str, *values: object) -> None:
        rows = self._db.execute(f"DELETE FROM note WHERE {where} RETURNING length(value)", values).fetchall()
        self._used_bytes -= sum(n_bytes + _ROW_BYTES for (n_bytes,) in rows)

    def _open(self, path: Path | None) -> None:
        if path is not None:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600))
        name = str(path) if path is not None else ":memory:"
        self._db = sqlite3.connect(name, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", _TABLE, _ORDER):
                self._db.execute(statement)
            self._used_bytes, self._clock = self._db.execute(
                "SELECT coalesce(sum(length(value) + ?), 0), coalesce(max(used), 0) FROM note", (_ROW_BYTES,)
            ).fetchone()
        except sqlite3.Error:
            self._db.close()
            raise


def _sealed(kind: str, digest: bytes, value: bytes) -> bytes:
    """A value behind what tells it from any other, and from the same one elsewhere: a disk's bits may flip."""
    return blake3.blake3(b"".join((kind.encode(), b"\0", digest, value))).digest(_N_SEAL_BYTES) + value
