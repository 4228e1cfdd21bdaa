import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from segue.chat.memory.side_store import SideStore
from segue.storage.errors import DiskError
from segue.storage.index import Index
from segue.storage.lock import DirectoryLock

HOLD = """
import sys
from pathlib import Path
from segue.storage.lock import DirectoryLock
lock = DirectoryLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    lock = DirectoryLock(path)
    assert mode(path) == 0o700
    assert mode(path / "lock") == 0o600
    assert (path / "lock").read_text() == f"{os.getpid()}\n"
    lock.close()
    lock.close()


def test_a_directory_that_others_can_enter_is_closed_to_them(tmp_path: Path) -> None:
    path = tmp_path / "cache"
    DirectoryLock(path).close()
    Index(path / "index.sqlite").close()
    notes = SideStore(path / "notes.sqlite", 1000)
    assert (path / "notes.sqlite-wal").exists()
    path.chmod(0o755)
    DirectoryLock(path).close()
    notes.close()
    assert mode(path) == 0o700


def test_a_directory_that_holds_other_things_stays_open(tmp_path: Path) -> None:
    (tmp_path / "photo.png").touch()
    tmp_path.chmod(0o755)
    DirectoryLock(tmp_path).close()
    assert mode(tmp_path) == 0o755


OWNER = 1234


@pytest.mark.parametrize(
    ("owner", "user", "may_use"),
    [(OWNER, OWNER, True), (OWNER, OWNER + 1, False), (OWNER, 0, True), (0, OWNER, True), (0, 0, True)],
)
def test_a_directory_of_another_user_is_used_by_root_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: int, user: int, may_use: bool
) -> None:
    real = Path.stat

    def stat_of_owner(path: Path, **options: bool) -> os.stat_result:
        status = real(path, **options)
        return os.stat_result((*status[:4], owner, *status[5:10]))

    monkeypatch.setattr(Path, "stat", stat_of_owner)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    if may_use:
        DirectoryLock(tmp_path).close()
    else:
        with pytest.raises(DiskError, match=f"it belongs to user {OWNER}, .* change its owner, or use another"):
            DirectoryLock(tmp_path)
        assert os.listdir(tmp_path) == []


def test_one_lock_at_a_time(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(
        DiskError, match=f"process {os.getpid()} uses it; stop that process, or use another --cache-dir"
    ):
        DirectoryLock(tmp_path)
    lock.close()
    DirectoryLock(tmp_path).close()


def test_another_process_is_named_and_its_death_frees_the_directory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(DiskError, match=f"process {other.pid} uses it"):
            DirectoryLock(tmp_path)
        other.kill()
        other.wait()
        DirectoryLock(tmp_path).close()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    for wrong in (path, path / "below"):
        with pytest.raises(DiskError, match="not a directory; use another --cache-dir"):
            DirectoryLock(wrong)


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_text("text")
    (tmp_path / "lock").symlink_to(target)
    with pytest.raises(DiskError):
        DirectoryLock(tmp_path)
    assert target.read_text() == "text"


@pytest.mark.parametrize(
    ("code", "reason"),
    [(errno.EACCES, "permission denied"), (errno.EROFS, "read-only"), (errno.ENOSPC, "the disk is full")],
)
@pytest.mark.parametrize("call", ["makedirs", "open", "pwrite"])
def test_a_directory_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int, reason: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(DiskError, match=f"cannot use the cache directory .*: .*{reason}"):
            DirectoryLock(tmp_path / "cache")
    DirectoryLock(tmp_path / "cache").close()
