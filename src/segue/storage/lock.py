"""The lock of a cache directory: one process at a time."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from segue.storage.errors import DiskError, disk_error

_OTHERS = 0o077
_ROOT = 0
_OURS = ("lock", "blobs")
_OUR_DATABASES = ("index.sqlite", "notes.sqlite")
"""Prefixes: SQLite puts files with similar names beside each of them."""
_N_BYTES_PID = 32


class DirectoryLock:
    """Held from its construction until `close()`, or until the process ends, however it ends.

    Creates the directory with mode 0700. An existing directory loses the permissions of group and others if it belongs
    to the user and holds nothing but a cache. Raises DiskError at once if another process holds the lock, if the
    directory cannot be used, or if it belongs to another user, who could read it at any time; but root may use any.
    """

    def __init__(self, path: Path) -> None:
        failed = f"cannot use the cache directory {path}"
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            owner, user = path.stat().st_uid, os.geteuid()
            if owner not in (user, _ROOT) and user != _ROOT:
                raise DiskError(
                    f"{failed}: it belongs to user {owner}, who could read the prompts in it, and not to user {user}; "
                    "change its owner, or use another --cache-dir"
                )
            _make_private(path)
            file = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise disk_error(failed, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(file, 0)
            os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError as error:
            pid = os.pread(file, _N_BYTES_PID, 0).decode("ascii", "replace").strip()
            os.close(file)
            holder = f"process {pid}" if pid else "another process"
            raise DiskError(f"{failed}: {holder} uses it; stop that process, or use another --cache-dir") from error
        except OSError as error:
            os.close(file)
            raise disk_error(failed, error) from error
        self._file: int | None = file

    def close(self) -> None:
        """Release the directory for other processes. Closing it again is harmless."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _make_private(path: Path) -> None:
    """Close the directory to other users, unless it holds other files too, as /tmp or a home directory does."""
    status = path.stat()
    if not status.st_mode & _OTHERS or status.st_uid != os.geteuid():
        return
    if all(name in _OURS or name.startswith(_OUR_DATABASES) for name in os.listdir(path)):
        with suppress(PermissionError):  # file systems without modes refuse, and have nothing to tighten
            path.chmod(status.st_mode & 0o700)
