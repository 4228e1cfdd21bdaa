import os
import random
import shutil
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from segue.storage.errors import DiskError
from segue.storage.index import Index
from segue.storage.schema import VERSION, connect, connect_reader
from tests.storage.making import alone, key


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


@pytest.mark.parametrize("version", [VERSION - 1, VERSION + 1])
def test_another_version_is_refused(path: Path, version: int) -> None:
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    before = path.read_bytes()
    for read_only in (False, True):
        with pytest.raises(DiskError) as caught:
            Index(path, read_only=read_only)
        assert str(caught.value) == (
            f"{path} was written by another version of Segue (format {version}, not {VERSION}); "
            "delete the directory, or use another --cache-dir"
        )
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
    with pytest.raises(DiskError, match="is not an index; delete the directory, or use another --cache-dir"):
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


def test_bytes_that_were_altered_anywhere_are_an_error_of_the_disk(path: Path) -> None:
    data = path.read_bytes()
    places = [i for i, byte in enumerate(data) if byte]
    rng = random.Random(0)
    for _ in range(300):
        altered = bytearray(data)
        altered[rng.choice(places[:2000])] = rng.randrange(256)
        altered[rng.choice(places)] = rng.randrange(256)
        path.write_bytes(altered)
        with suppress(DiskError):
            index = Index(path, read_only=True)
            with closing(index):
                index.all_checkpoints()


def test_a_reader_sees_what_was_there_and_changes_nothing(path: Path) -> None:
    with closing(Index(path)) as index, closing(Index(path, read_only=True)) as reader:
        files = reader.files()
        index.remove([key(1)])
        assert reader.files() == files
        assert reader.files() != index.files()
        for change in (
            lambda: reader.remove([key(2)]),
            lambda: reader.pin(key(2), pinned=True),
            lambda: reader.model_id("[]"),
        ):
            with pytest.raises(DiskError):
                change()
        assert len(index.files()) == len(files) - 1


def test_a_reader_sees_what_a_killed_process_wrote(path: Path, tmp_path: Path) -> None:
    index = Index(path)
    index.remove([key(1)])
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in (path, path.with_name("index.sqlite-wal")):
        shutil.copy(file, copy)
    with closing(Index(copy / path.name, read_only=True)) as reader:
        assert reader.files() == index.files()
    index.close()


def test_a_reader_makes_no_index(tmp_path: Path) -> None:
    for missing in (tmp_path / "index.sqlite", tmp_path / "none" / "index.sqlite"):
        with pytest.raises(DiskError, match=r"is not a cache directory: it has no index\.sqlite; check --cache-dir"):
            Index(missing, read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_an_index_where_nobody_can_write_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect(tmp_path / "index").close()
    with monkeypatch.context() as patched:
        patched.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
        with closing(connect_reader(tmp_path / "index")) as database:
            assert database.execute("SELECT count(*) FROM segments").fetchone() == (0,)
            assert {path.name for path in tmp_path.iterdir()} == {"index"}
    with closing(connect_reader(tmp_path / "index")):
        assert len(list(tmp_path.iterdir())) > 1, "otherwise SQLite makes files beside it"
