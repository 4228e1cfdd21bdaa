import sqlite3
import stat
from pathlib import Path

import pytest

from segue.homes.disk.errors import DiskError
from segue.homes.disk.index import Index
from segue.homes.disk.schema import VERSION, connect
from tests.homes.disk.making import alone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An index that holds something, closed."""
    path = tmp_path / "index.sqlite"
    index = Index(path)
    model = index.model_id("{}")
    for n in range(1, 400):
        index.add(model, [], alone(n, f"{n}"))
    index.close()
    return path


def test_what_the_file_is(path: Path) -> None:
    database = connect(path)
    assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert database.execute("PRAGMA synchronous").fetchone() == (2,)
    assert database.execute("PRAGMA foreign_keys").fetchone() == (1,)
    assert database.execute("PRAGMA user_version").fetchone() == (VERSION,)
    database.execute("UPDATE models SET fingerprint = '[]'")
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    assert len(list(path.parent.iterdir())) == 3
    database.close()
    assert list(path.parent.iterdir()) == [path]


def test_another_version_is_refused(path: Path) -> None:
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = path.read_bytes()
    with pytest.raises(DiskError, match=r"another version of Segue .*--cache-dir.*`segue cache prune`"):
        Index(path)
    assert path.read_bytes() == before


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE models (id)")
    database.close()
    with pytest.raises(DiskError, match="not an index of Segue; use another --cache-dir"):
        Index(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "index.sqlite"
    path.write_bytes(b"GGUF" * 1000)
    with pytest.raises(DiskError, match="no index; delete the directory, or use another --cache-dir"):
        Index(path)
    assert path.read_bytes() == b"GGUF" * 1000


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_a_page_that_was_overwritten_is_noticed(path: Path, share: float) -> None:
    data = bytearray(path.read_bytes())
    page = int(share * len(data)) // 4096 * 4096
    data[page : page + 4096] = b"\xa5" * 4096
    path.write_bytes(data)
    with pytest.raises(DiskError, match="it is damaged"):
        Index(path)


@pytest.mark.parametrize("n_bytes", [100, 5000, 20000])
def test_a_file_cut_off_is_noticed(path: Path, n_bytes: int) -> None:
    path.write_bytes(path.read_bytes()[:n_bytes])
    with pytest.raises(DiskError, match="it is damaged"):
        Index(path)


def test_an_empty_file_is_a_new_index(path: Path) -> None:
    path.write_bytes(b"")
    index = Index(path)
    assert index.fingerprints() == {}
    index.close()


def test_a_directory_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="cannot use the index"):
        Index(tmp_path)
