"""Whether --cache-dir can be used."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.storage.errors import DiskError
from segue.storage.index import Index

_LEAST_BYTES = 256 << 20


def check_cache_dir(setup: Setup) -> Iterator[Finding]:
    """Look at the directory, and change nothing: one that is not there is not made."""
    path = setup.settings.cache_dir
    if path is None:
        return
    elsewhere = {"cache_dir": "DIRECTORY"}
    index = path / "index.sqlite"
    try:
        if index.exists():
            Index(index, read_only=True).close()
    except DiskError as error:
        yield setup.fault(str(error), cache_dir=str(path.with_name(f"{path.name}-new")))
        return
    except OSError:
        pass
    above = next(folder for folder in (path, *path.absolute().parents) if _exists(folder))
    if not above.is_dir():
        yield setup.fault(f"the cache directory {path} cannot be made: {above} is a file", **elsewhere)
        return
    try:
        is_read_only = bool(os.statvfs(above).f_flag & os.ST_RDONLY)
        free_bytes = shutil.disk_usage(above).free
    except OSError as error:
        yield setup.fault(f"the cache directory {path} cannot be used: {error.strerror}", **elsewhere)
        return
    if is_read_only:
        yield setup.fault(f"the cache directory {path} lies on a file system that is read-only", **elsewhere)
    elif not os.access(above, os.W_OK | os.X_OK):
        yield setup.fault(f"the cache directory {path} cannot be written: {above} belongs to another user", **elsewhere)
    elif free_bytes < _LEAST_BYTES:
        yield setup.fault(
            f"the disk of the cache directory {path} is full: {free_bytes >> 20} MiB are free, "
            f"of at least {_LEAST_BYTES >> 20}",
            **elsewhere,
        )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
