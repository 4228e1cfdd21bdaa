"""One file that holds several arrays of bytes, and is either whole or known to be damaged.

All numbers are little-endian: magic, version (u32), number of bytes of the name (u32), number of parts (u32); the
file's name; of each part its codec (u8), raw bytes (u64) and stored bytes (u64); the stored parts; a blake3 digest of
everything before it.
"""

import errno
import os
import stat
import struct
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
from blake3 import blake3

from segue.storage.codec import Bytes, decode, encode
from segue.storage.errors import CACHE_DIR, DamagedError, disk_error

_MAGIC = b"SEGUEBLB"
_VERSION = 2
"""Counts changes of what the arrays hold as well: the files of slots have no other version."""
_HEAD = struct.Struct("<8sIII")
_PART = struct.Struct("<BQQ")
_N_DIGEST = 32
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)
"""Errors of file systems that cannot sync a directory: they keep it safe themselves, or not at all."""


def write(directory: Path, name: str, parts: Sequence[Bytes], flag: str = CACHE_DIR) -> int:
    """Write a file, replacing one of the same name; returns its size in bytes. The file is then on disk.

    Any thread; the arrays are contiguous, and must not change meanwhile. If this raises DiskError, the old file is
    still there; if only the sync of the directory failed, the new file is there, but a loss of power may undo that.
    The error names `flag` as the choice of the directory.
    """
    at = directory / f".{name}.tmp"
    try:
        n_bytes = _write(at, name, parts)
        os.replace(at, directory / name)
    except BaseException as error:
        with suppress(OSError):
            at.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise disk_error(f"cannot write {directory / name}", error, flag) from error
        raise
    try:
        _sync(directory)
    except OSError as error:
        raise disk_error(f"{directory / name} is written, but may not last", error, flag) from error
    return n_bytes


def most_bytes(sizes: Sequence[int], n_name: int) -> int:
    """The most bytes that a file takes, given the sizes of its arrays and the length of its name."""
    return _HEAD.size + n_name + len(sizes) * _PART.size + sum(sizes) + _N_DIGEST


def read(path: Path, flag: str = CACHE_DIR) -> list[Bytes]:
    """The arrays of a file, each in memory of its own; the whole file is verified before any array is unpacked.

    Any thread; the arrays may be read-only. Raises DamagedError, or DiskError if the file cannot be read at all; the
    error then names `flag` as the choice of the directory.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:
            return _read(file, path.name)
    except FileNotFoundError as error:
        raise DamagedError(f"cannot read {path}", "the file is missing") from error
    except OSError as error:
        raise disk_error(f"cannot read {path}", error, flag) from error
    except ValueError as error:
        raise DamagedError(f"{path} is damaged", str(error)) from error


def _write(path: Path, name: str, parts: Sequence[Bytes]) -> int:
    encoded = [encode(part) for part in parts]
    table = [_PART.pack(codec, len(raw), len(data)) for raw, (codec, data) in zip(parts, encoded, strict=True)]
    head = _HEAD.pack(_MAGIC, _VERSION, len(name.encode()), len(parts))
    pieces = [np.frombuffer(b"".join([head, name.encode(), *table]), np.uint8), *(data for _, data in encoded)]
    digest = blake3(max_threads=1)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    try:
        for piece in pieces:
            digest.update(piece.data)
            _write_all(file, piece.data)
        _write_all(file, memoryview(digest.digest()))
        os.fsync(file)
    finally:
        os.close(file)
    return sum(len(piece) for piece in pieces) + _N_DIGEST


def _at_once(path: str, flags: int) -> int:
    """Open without blocking: the path may be a pipe, and opening a pipe waits for a writer."""
    return os.open(path, flags | os.O_NONBLOCK)


def _write_all(file: int, data: memoryview) -> None:
    while data:
        data = data[os.write(file, data) :]


def _sync(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(file)


def _read(file: BinaryIO, name: str) -> list[Bytes]:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")
    n_bytes = status.st_size
    head = _read_exactly(file, _HEAD.size, n_bytes)
    magic, version, n_name, n_parts = _HEAD.unpack(head.data)
    if magic != _MAGIC:
        raise ValueError("Segue did not write it")
    if version != _VERSION:
        raise ValueError(f"it has format {version}, not {_VERSION}")
    table = _read_exactly(file, n_name + n_parts * _PART.size, n_bytes)
    entries = list(_PART.iter_unpack(table[n_name:].data))
    n_expected = len(head) + len(table) + sum(n_stored for _, _, n_stored in entries) + _N_DIGEST
    if n_bytes != n_expected:
        raise ValueError(f"it has {n_bytes} bytes, not {n_expected}")
    digest = blake3(head.data, max_threads=1).update(table.data)
    payloads = []
    for _, _, n_stored in entries:
        payloads.append(_read_exactly(file, n_stored, n_bytes))
        digest.update(payloads[-1].data)
    if _read_exactly(file, _N_DIGEST, n_bytes).tobytes() != digest.digest():
        raise ValueError("its checksum is wrong")
    if table[:n_name].tobytes() != name.encode():
        raise ValueError("it was written under another name")
    return [decode(codec, data, n_raw) for (codec, n_raw, _), data in zip(entries, payloads, strict=True)]


def _read_exactly(file: BinaryIO, n: int, n_bytes_file: int) -> Bytes:
    """The next `n` bytes; allocates no more memory than the file has bytes."""
    data = np.empty(min(n, n_bytes_file), np.uint8)
    if file.readinto(data.data) != n:  # type: ignore[attr-defined]
        raise ValueError("it is too short")
    return data
