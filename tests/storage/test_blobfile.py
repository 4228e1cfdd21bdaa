import errno
import os
import shutil
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from segue.storage import blobfile
from segue.storage.errors import DamagedError, DiskError
from tests.storage.making import halves, noise

NAME = "0123456789abcdef"
PARTS = [halves(40_000), noise(500), noise(0)]
N_HEAD = 20 + len(NAME) + 3 * 17
REGIONS = {"magic": 0, "version": 8, "n_name": 12, "n_parts": 16, "name": 20, "codec": 36, "n_raw": 37, "n_stored": 45}
REGIONS |= {"packed": N_HEAD + 100, "raw": -40, "digest": -3}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    blobfile.write(tmp_path, NAME, PARTS)
    return tmp_path / NAME


def same(found: list[NDArray[np.uint8]], parts: list[NDArray[np.uint8]]) -> bool:
    return len(found) == len(parts) and all(np.array_equal(a, b) for a, b in zip(found, parts, strict=True))


def test_what_is_written_is_read(path: Path) -> None:
    assert same(blobfile.read(path), PARTS)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [NAME]


def test_the_size_is_that_of_the_file(tmp_path: Path) -> None:
    assert blobfile.write(tmp_path, NAME, PARTS) == (tmp_path / NAME).stat().st_size < 0.9 * 40_500


def attempt(directory: Path) -> str:
    """Write; why it failed, if it did."""
    try:
        blobfile.write(directory, NAME, PARTS)
    except DiskError as error:
        return str(error)
    return ""


@settings(max_examples=30)
@given(st.lists(arrays(np.uint8, st.integers(0, 300)), max_size=4))
def test_any_arrays(tmp_path_factory: pytest.TempPathFactory, parts: list[NDArray[np.uint8]]) -> None:
    directory = tmp_path_factory.mktemp("blobs")
    blobfile.write(directory, NAME, parts)
    assert same(blobfile.read(directory / NAME), parts)


@pytest.mark.parametrize("region", REGIONS)
def test_a_flipped_bit_anywhere_is_noticed(path: Path, region: str) -> None:
    data = bytearray(path.read_bytes())
    for bit in range(8):
        flipped = bytearray(data)
        flipped[REGIONS[region]] ^= 1 << bit
        path.write_bytes(flipped)
        with pytest.raises(DamagedError, match=f"{path} is damaged: "):
            blobfile.read(path)


@pytest.mark.parametrize("region", REGIONS)
def test_a_file_cut_off_anywhere_is_noticed(path: Path, region: str) -> None:
    path.write_bytes(path.read_bytes()[: REGIONS[region]])
    with pytest.raises(DamagedError, match=r"too short|not \d+"):
        blobfile.read(path)


@given(where=st.floats(0, 1, exclude_max=True), value=st.integers(1, 255), is_cut=st.booleans())
def test_no_change_goes_unnoticed(
    tmp_path_factory: pytest.TempPathFactory, where: float, value: int, is_cut: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "one" / NAME
    path.parent.mkdir(exist_ok=True)
    blobfile.write(path.parent, NAME, PARTS)
    data = bytearray(path.read_bytes())
    at = int(where * len(data))
    data[at] ^= value
    path.write_bytes(data[:at] if is_cut else data)
    with pytest.raises(DamagedError):
        blobfile.read(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda _: b"", "it is too short"),
        (lambda data: b"GGUF" + data[4:], "Segue did not write it"),
        (lambda data: data[:8] + struct.pack("<I", 1) + data[12:], "it has format 1, not 2"),
        (lambda data: data + b"x", r"it has \d+ bytes, not \d+"),
        (lambda data: data[:-32] + bytes(32), "its checksum is wrong"),
        (lambda data: data[:12] + b"\xff" * 8 + data[20:], "it is too short"),
    ],
)
def test_damage_is_named(path: Path, change: Callable[[bytes], bytes], reason: str) -> None:
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(DamagedError, match=reason):
        blobfile.read(path)


def test_swapped_files_are_noticed(path: Path) -> None:
    other = path.with_name("f" * 16)
    blobfile.write(path.parent, other.name, [noise(500)])
    shutil.copy(other, path)
    with pytest.raises(DamagedError, match="it was written under another name"):
        blobfile.read(path)


def test_a_file_that_is_gone(path: Path) -> None:
    path.unlink()
    with pytest.raises(DamagedError, match=f"cannot read {path}: the file is missing"):
        blobfile.read(path)


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DamagedError, match="not a regular file"):
        blobfile.read(path)


def test_a_file_that_cannot_be_read_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot read") as caught:
        blobfile.read(tmp_path)
    assert not isinstance(caught.value, DamagedError)


def test_a_disk_that_fails_is_not_called_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(blobfile, "_read_exactly", fail)
    with pytest.raises(DiskError, match=os.strerror(errno.EIO)) as caught:
        blobfile.read(path)
    assert not isinstance(caught.value, DamagedError)


def test_what_the_checksum_covers_but_no_codec_understands(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobfile, "encode", lambda data: (9, data))
    blobfile.write(path.parent, NAME, PARTS)
    with pytest.raises(DamagedError, match="codec 9 is unknown"):
        blobfile.read(path)


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
@pytest.mark.parametrize("n_good", range(5))
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("before", [None, [noise(70)]])
def test_a_write_that_fails_leaves_what_was_there_or_all_of_the_new_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    n_good: int,
    code: int,
    before: list[NDArray[np.uint8]] | None,
) -> None:
    if before is not None:
        blobfile.write(tmp_path, NAME, before)
    real: Callable[..., object] = getattr(os, call)
    calls: list[object] = []

    def fail_at_last(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) > n_good:
            raise OSError(code, os.strerror(code))
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail_at_last)
        failure = attempt(tmp_path)
    reason = "the disk is full" if code == errno.ENOSPC else os.strerror(code)
    if len(calls) <= n_good:
        assert not failure
        found: list[NDArray[np.uint8]] | None = PARTS
    elif call in ("open", "fsync") and n_good == 1:  # the second is the directory's
        assert failure.startswith(f"{tmp_path / NAME} is written, but may not last: {reason}")
        found = PARTS
    else:
        assert failure.startswith(f"cannot write {tmp_path / NAME}: {reason}")
        found = before
    assert os.listdir(tmp_path) == ([] if found is None else [NAME])
    assert found is None or same(blobfile.read(tmp_path / NAME), found)


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_syncs_no_directories_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    real = os.fsync

    def sync_files_only(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(code, os.strerror(code))
        real(file)

    monkeypatch.setattr(os, "fsync", sync_files_only)
    assert not attempt(tmp_path)
    assert same(blobfile.read(tmp_path / NAME), PARTS)


def test_a_write_that_is_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        blobfile.write(tmp_path, NAME, PARTS)
    assert os.listdir(tmp_path) == []


def test_short_writes_are_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:100]))
    blobfile.write(tmp_path, NAME, PARTS)
    assert same(blobfile.read(tmp_path / NAME), PARTS)


def test_a_directory_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot write"):
        blobfile.write(tmp_path / "gone", NAME, PARTS)


def test_arrays_do_not_keep_each_other_alive(path: Path) -> None:
    for part in blobfile.read(path):
        assert part.base is None or part.base.nbytes == part.nbytes
