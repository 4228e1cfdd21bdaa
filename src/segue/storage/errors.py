"""The errors of the disk, as exceptions that a caller can tell apart."""

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

DAMAGED_INDEX: Final = "it is damaged or is not an index; delete the directory, or use another --cache-dir"

_INDEX_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, or use another --cache-dir",
    sqlite3.SQLITE_READONLY: "it is read-only; change its mode, or use another --cache-dir",
    sqlite3.SQLITE_CORRUPT: DAMAGED_INDEX,
    sqlite3.SQLITE_NOTADB: DAMAGED_INDEX,
}
_PRIMARY_CODE = 0xFF


class DiskError(Exception):
    """The directory cannot be used or written to; the message is a line for the user that says what to do.

    `reason` is the end of the message. It names no path, so clients may see it; it is empty if the message has no such
    end.
    """

    def __init__(self, failed: str, reason: str = "") -> None:
        super().__init__(f"{failed}: {reason}" if reason else failed)
        self.reason = reason


class FullError(DiskError):
    """The disk has no room for the change that the index must write."""


class DamagedError(DiskError):
    """A file is missing, torn, altered or foreign; the message names the file and the fault."""


def disk_error(failed: str, error: OSError, flag: str = CACHE_DIR) -> DiskError:
    """The exception for an operating system's error: `failed` is the action that failed, `flag` chose the directory."""
    reason = _REASONS.get(error.errno or 0)
    return DiskError(failed, reason.format(flag=flag) if reason else error.strerror or str(error))


def index_error(path: Path, error: sqlite3.Error | UnicodeDecodeError) -> DiskError:
    """The exception for an error of SQLite, or for stored text that is not UTF-8."""
    # Python has two errors for text that is not UTF-8: neither has a code, and both quote the text.
    is_not_text = isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in str(error)
    no_code = sqlite3.SQLITE_CORRUPT if is_not_text else 0
    code = getattr(error, "sqlite_errorcode", no_code) & _PRIMARY_CODE
    kind = FullError if code == sqlite3.SQLITE_FULL else DiskError
    return kind(f"cannot use the index {path}", _INDEX_REASONS.get(code, str(error)))
