"""Replies as the model wrote them, kept where the checkpoints of what they led to are kept."""

import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path

_TABLE = """
CREATE TABLE IF NOT EXISTS utterance (
    digest BLOB PRIMARY KEY, suffix TEXT NOT NULL, text TEXT NOT NULL, tokens BLOB NOT NULL,
    n_bytes INTEGER NOT NULL, used INTEGER NOT NULL
) WITHOUT ROWID
"""
_BUSY_S = 5.0
_ROW_BYTES = 200


@dataclass(frozen=True, slots=True)
class Utterance:
    """A reply, whose prompt ended with `suffix` behind its last message.

    `tokens` are int32 ids from the last special token before the reply on, without the one that ended it.
    """

    suffix: str
    text: str
    tokens: bytes

    @property
    def n_bytes(self) -> int:
        """About what it takes."""
        return len(self.suffix) + len(self.text) + len(self.tokens) + _ROW_BYTES


class Utterances:
    """Utterances by digest, in a file of its own or, without one, in memory; any thread.

    Beyond `limit_bytes` the least recently used go. What cannot be read or written is a miss, never an error.
    """

    def __init__(self, path: Path | None, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        try:
            self._db = self._open(str(path) if path is not None else ":memory:")
        except sqlite3.Error:
            self._db = self._open(":memory:")
        self._used_bytes, self._clock = self._db.execute(
            "SELECT coalesce(sum(n_bytes), 0), coalesce(max(used), 0) FROM utterance"
        ).fetchone()

    def get(self, digest: bytes) -> Utterance | None:
        """The utterance put for this digest, if it is still there."""
        with self._lock:
            try:
                row = self._db.execute(
                    "SELECT suffix, text, tokens FROM utterance WHERE digest = ?", (digest,)
                ).fetchone()
                if row is not None:
                    self._clock += 1
                    self._db.execute("UPDATE utterance SET used = ? WHERE digest = ?", (self._clock, digest))
            except sqlite3.Error:
                return None
            return Utterance(*row) if row is not None else None

    def put(self, digest: bytes, utterance: Utterance) -> None:
        """Keep an utterance, in place of one that has the same digest."""
        with self._lock:
            try:
                self._forget("digest = ?", digest)
                self._clock += 1
                fields = (utterance.suffix, utterance.text, utterance.tokens, utterance.n_bytes)
                self._db.execute("INSERT INTO utterance VALUES (?, ?, ?, ?, ?, ?)", (digest, *fields, self._clock))
                self._used_bytes += utterance.n_bytes
                while self._used_bytes > self._limit_bytes:
                    self._forget("digest = (SELECT digest FROM utterance ORDER BY used LIMIT 1)")
            except sqlite3.Error:
                return

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _forget(self, where: str, *values: object) -> None:
        rows = self._db.execute(f"DELETE FROM utterance WHERE {where} RETURNING n_bytes", values).fetchall()
        self._used_bytes -= sum(n_bytes for (n_bytes,) in rows)

    @staticmethod
    def _open(path: str) -> sqlite3.Connection:
        db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(_TABLE)
        return db
