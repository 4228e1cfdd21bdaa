"""How fast memory and disks are."""

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

_N_BYTES: Final = 64 << 20
_N_TRIES = 3


def memory_speed() -> float:
    """Bytes a second of a copy in host memory, at best."""
    source, target = np.ones(_N_BYTES, np.uint8), np.empty(_N_BYTES, np.uint8)
    return _N_BYTES / min(_seconds(lambda: np.copyto(target, source)) for _ in range(_N_TRIES))


def read_speed(path: Path) -> float:
    """Bytes a second from the middle of a file, of which the system keeps no copy. Raises OSError."""
    with path.open("rb", buffering=0) as file:
        n_bytes = os.fstat(file.fileno()).st_size
        start, size = max(0, n_bytes - _N_BYTES) // 2, min(n_bytes, _N_BYTES)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), start, size, os.POSIX_FADV_DONTNEED)
        file.seek(start)
        buffer = bytearray(size)
        return size / _seconds(lambda: file.readinto(buffer))


def write_speed(folder: Path) -> float:
    """Bytes a second to a new file that is deleted again, until they are on the disk. Raises OSError."""
    data = np.random.default_rng(0).bytes(_N_BYTES)
    with tempfile.TemporaryFile(dir=folder) as file:

        def write() -> None:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

        return _N_BYTES / _seconds(write)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return max(1e-9, time.perf_counter() - started)
