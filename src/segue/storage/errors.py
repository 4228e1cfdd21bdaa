"""What can go wrong on disk, as exceptions a caller can tell apart."""

import errno
import sqlite3
from pathlib import Path
from typing import Final

CACHE_DIR: Final = "--cache-dir"

_REASONS: Final = {
    errno.EACCES: "permission denied; change its owner or mode, or use another {flag}",
    errno.EPERM: "permission denied; change its owner or mode, or use another {flag}",
    errno.EROFS: "the file system is read-only; use another {flag}",
    errno.ENOTDIR: "that is not a directory; use another {flag}",
    errno.EEXIST: "that is not a directory; use another {flag}",
    errno.ENOSPC: "the disk is full; free some space, or use another {flag}",
    errno.EDQUOT: "the disk quota is used up; free some space, or use another {flag}",
    errno.ENOLCK: "the file system has no locks; use another {flag}",
    errno.EOPNOTSUPP: "the file system has no locks; use another {flag}",
}

DAMAGED_INDEX: Final = "it is damaged, or no index; delete the directory, or use another --cache-dir"

_INDEX_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, or use another --cache-dir",
    sqlite3.SQLITE_READONLY: "it is read-only; change its mode, or use another --cache-dir",
    sqlite3.SQLITE_CORRUPT: DAMAGED_INDEX,
    sqlite3.SQLITE_NOTADB: DAMAGED_INDEX,
}
_PRIMARY_CODE = 0xFF


class DiskError(Exception):
    """The directory cannot be used or written to; the message is a line for the user that says what to do.

    `reason` is its end, which names no path and may be told to clients; empty where the message cannot be cut so.
    """

    def __init__(self, failed: str, reason: str = "") -> None:
        super().__init__(f"{failed}: {reason}" if reason else failed)
        self.reason = reason


class FullError(DiskError):
    """There is no room left for what the index has to write."""


class DamagedError(DiskError):
    """A file is missing, torn, altered or foreign; the message says which, and how."""


def disk_error(failed: str, error: OSError, flag: str = CACHE_DIR) -> DiskError:
    """What to raise for an operating system's error; `failed` says what could not be done, and `flag` chose where."""
    reason = _REASONS.get(error.errno or 0)
    return DiskError(failed, reason.format(flag=flag) if reason else error.strerror or str(error))


def index_error(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> DiskError:
    """What to raise for an error of SQLite's, or for the damage that its message quotes, where that is no text."""
    # Neither error for text that is none has a code, and both quote it.
    is_no_text = isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)
    no_code = sqlite3.SQLITE_CORRUPT if is_no_text else 0
    code = getattr(error, "sqlite_errorcode", no_code) & _PRIMARY_CODE
    kind = FullError if code == sqlite3.SQLITE_FULL else DiskError
    return kind(f"cannot use the index {path}", _INDEX_REASONS.get(code, str(error)))
