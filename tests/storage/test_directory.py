import errno
import os
import re
import shutil
import sqlite3
import stat
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from segue.storage.directory import Directory
from segue.storage.errors import DamagedError, DiskError, FullError
from segue.storage.index import Index
from segue.storage.rows import EntryRow, SegmentRow
from tests.storage.making import alone, halves, key, noise, on_chain, segment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def directory(path: Path) -> Iterator[Directory]:
    directory = Directory(path)
    yield directory
    directory.close()


def store(directory: Directory, segments: list[SegmentRow], checkpoint: EntryRow) -> EntryRow:
    """The row with the file of its segment."""
    assert directory.index.add(directory.index.model_id("{}"), segments, checkpoint) == []
    return replace(checkpoint, segment=segments[-1].file if segments else None)


def written_segment(directory: Directory, start: int, n: int) -> SegmentRow:
    name, n_bytes = directory.write_blob([halves(2 * n)])
    return SegmentRow("", start, np.arange(start, start + n, dtype=np.int32), name, n_bytes)


def filled(directory: Directory) -> tuple[EntryRow, EntryRow]:
    """Two branches of one trunk, the second of which has a state of its own."""
    trunk = [written_segment(directory, 0, 100), written_segment(directory, 100, 50)]
    one = store(directory, trunk, on_chain(150))
    name, n_bytes = directory.write_blob([noise(100), halves(4000)])
    branch = written_segment(directory, 100, 20)
    two = store(directory, [trunk[0], branch], replace(on_chain(120, name, has_logits=True), n_bytes=n_bytes))
    return one, two


def reopened(directory: Directory, path: Path) -> Directory:
    directory.close()
    return Directory(path)


def blobs(path: Path) -> set[str]:
    return set(os.listdir(path / "blobs"))


def test_what_is_written_is_read(directory: Directory, path: Path) -> None:
    parts = [noise(100), halves(4000)]
    name, n_bytes = directory.write_blob(parts)
    assert len(name) == 16
    assert n_bytes == (path / "blobs" / name).stat().st_size
    assert all(np.array_equal(a, b) for a, b in zip(directory.read_blob(name), parts, strict=True))
    directory.delete_blobs([name, name])
    with pytest.raises(DamagedError, match="missing"):
        directory.read_blob(name)


def test_nobody_else_may_look(directory: Directory, path: Path) -> None:
    filled(directory)
    for at in (path, *path.rglob("*")):
        assert stat.S_IMODE(at.stat().st_mode) == (0o700 if at.is_dir() else 0o600), at


def test_all_is_there_again(directory: Directory, path: Path) -> None:
    filled(directory)
    files = directory.index.files()
    assert directory.verify() == []
    assert blobs(path) == files.keys()
    assert directory.used_bytes == sum((path / "blobs" / name).stat().st_size for name in files)
    again = reopened(directory, path)
    assert again.index.files() == files
    assert not again.forgotten
    read: list[int] = []
    assert again.verify(read.append) == []
    assert sorted(read) == sorted(files.values())
    again.close()
    again.close()


def test_one_process_at_a_time(directory: Directory, path: Path) -> None:
    with pytest.raises(DiskError, match="uses it"):
        Directory(path)
    assert directory.verify() == []


def test_a_directory_that_cannot_be_opened_is_not_kept_locked(directory: Directory, path: Path) -> None:
    directory.close()
    (path / "index.sqlite").write_bytes(b"x" * 5000)
    for _ in range(2):
        with pytest.raises(DiskError, match="it is damaged"):
            Directory(path)
    (path / "index.sqlite").unlink()
    shutil.rmtree(path / "blobs")
    (path / "blobs").touch()
    for _ in range(2):
        with pytest.raises(DiskError, match="not a directory"):
            Directory(path)


def test_files_that_nothing_names_go(directory: Directory, path: Path) -> None:
    filled(directory)
    orphan, _ = directory.write_blob([noise(10)])
    (path / "blobs" / f".{'a' * 16}.tmp").touch()
    (path / "blobs" / "sha256-0123").touch()
    (path / "blobs" / "notes.txt").touch()
    again = reopened(directory, path)
    assert orphan not in again.index.files()
    assert blobs(path) == again.index.files().keys() | {"sha256-0123", "notes.txt"}
    assert again.verify() == []
    again.close()


def test_rows_without_their_files_go(directory: Directory, path: Path) -> None:
    one, two = filled(directory)
    assert one.segment is not None
    (path / "blobs" / one.segment).unlink()
    assert [str(path / "blobs" / one.segment) in line for line in directory.verify()] == [True]
    again = reopened(directory, path)
    assert again.forgotten == [one.key]
    assert [(namespace, tokens.tolist()) for namespace, tokens in again.lost_paths(1)] == [("", [*range(150)])]
    assert list(again.lost_paths(1)) == list(again.lost_paths(2)) == []
    assert [row.key for row in again.index.checkpoints(1)] == [two.key]
    assert again.verify() == []
    assert blobs(path) == again.index.files().keys()
    own = again.index.checkpoints(1)[0].file
    assert own is not None
    (path / "blobs" / own).unlink()
    last = reopened(again, path)
    assert last.index.files() == {}
    assert blobs(path) == set()
    last.close()


def test_a_trunk_that_is_gone_takes_all_that_hangs_on_it(directory: Directory, path: Path) -> None:
    filled(directory)
    store(directory, [], alone(5))
    (path / "blobs" / directory.index.segments(1)[0].file).unlink()
    again = reopened(directory, path)
    assert again.index.segments(1) == []
    assert [row.n_tokens for row in again.index.checkpoints(1)] == [5]
    assert blobs(path) == set()
    again.close()


def test_damage_is_told(directory: Directory, path: Path) -> None:
    filled(directory)
    first, second, *_ = [path / "blobs" / name for name in sorted(directory.index.files())]
    first.write_bytes(second.read_bytes())
    second.write_bytes(b"foreign" * 9)
    lines = directory.verify()
    assert len(lines) == 2
    assert any(f"{first} is damaged: it was written under another name" in line for line in lines)
    assert any(f"{second} is damaged: Segue did not write it" in line for line in lines)


def test_chains_that_lead_nowhere_are_told(directory: Directory, path: Path) -> None:
    gapped, short, trunk, gone, torn, foreign, base = (directory.write_blob([noise(3)])[0] for _ in range(7))
    store(directory, [segment(7, 3, gapped)], on_chain(10))
    store(directory, [segment(0, 10, short)], on_chain(11))
    store(directory, [segment(0, 10, trunk), segment(10, 3, gone)], on_chain(13))
    store(directory, [segment(0, 10, trunk), segment(11, 3, torn)], on_chain(12))
    other = SegmentRow("tenant", 10, np.ones(3, np.int32), foreign, 10)
    store(directory, [segment(0, 10, base), other], on_chain(12, key=b"of a tenant"))
    store(directory, [], replace(alone(4), n_tokens=5))
    directory.close()
    with closing(sqlite3.connect(path / "index.sqlite")) as database:
        database.execute("DELETE FROM segments WHERE file = ?", (gone,))
        database.commit()
    again = Directory(path)
    assert again.forgotten == [key(13)], "what hung on the segment that is gone"
    lines = again.verify()
    assert sorted(lines) == sorted(
        [
            f"checkpoint {key(11).hex()} does not stand on segment {short}",
            f"checkpoint {b'of a tenant'.hex()} does not stand on segment {foreign}",
            f"checkpoint {key(4).hex()} does not stand on segment None",
            f"segment {gapped} does not continue segment None",
            f"segment {torn} does not continue segment {trunk}",
            f"segment {foreign} does not continue segment {base}",
        ]
    )
    again.close()


SEALED = {
    "segments": ["model", "namespace", "parent", "start", "file", "n_bytes", "tokens"],
    "checkpoints": [
        "key",
        "model",
        "namespace",
        "segment",
        "n_tokens",
        "pos_min",
        "pos_max",
        "origin",
        "file",
        "n_bytes",
        "has_logits",
        "created",
        "positions_digest",
    ],
}


# What a path is found by.
WAY = [
    *(("segments", column) for column in ("model", "parent", "start", "file", "tokens")),
    *(("checkpoints", column) for column in ("model", "segment", "n_tokens")),
]


@pytest.mark.parametrize(("table", "column"), [(table, column) for table in SEALED for column in SEALED[table]])
def test_a_row_that_is_not_as_it_was_stored_goes(directory: Directory, path: Path, table: str, column: str) -> None:
    one, two = filled(directory)
    files, trunk = directory.index.files(), directory.index.segments(1)[0].file
    directory.index.model_id("another")
    directory.close()
    name, row = ("key", two.key) if table == "checkpoints" else ("file", two.segment)
    new = {"model": 2, "namespace": "x", "parent": None, "segment": trunk, "file": "0" * 16, "origin": "mess"}
    new |= {"positions_digest": "1", "key": b"another key"}
    with closing(sqlite3.connect(path / "index.sqlite")) as database:
        if column == "tokens":
            ((tokens,),) = database.execute("SELECT tokens FROM segments WHERE file = ?", (row,)).fetchall()
            new["tokens"] = bytes([tokens[0] ^ 1]) + tokens[1:]
        if column in new:
            changed = database.execute(f"UPDATE {table} SET {column} = ? WHERE {name} = ?", (new[column], row))
        else:
            changed = database.execute(f"UPDATE {table} SET {column} = NOT {column} WHERE {name} = ?", (row,))
        assert changed.rowcount == 1
        database.commit()
    again = Directory(path)
    assert again.forgotten == [new["key"] if column == "key" else two.key]
    told = [tokens.tolist() for _, tokens in again.lost_paths(1)]
    if (table, column) in WAY:
        assert [*range(120)] not in told
    else:
        assert told == [[*range(120)]]
    assert [row.key for row in again.index.checkpoints(1)] == [one.key]
    assert again.verify() == []
    assert blobs(path) == again.index.files().keys() == files.keys() - {two.file, two.segment}
    again.close()


def test_a_flipped_parent_that_leads_elsewhere(directory: Directory, path: Path) -> None:
    one, two = filled(directory)
    third = store(directory, [written_segment(directory, 0, 100)], on_chain(99))
    directory.close()
    with closing(sqlite3.connect(path / "index.sqlite")) as database:
        database.execute("UPDATE segments SET parent = ? WHERE file = ?", (third.segment, two.segment))
        database.commit()
    again = Directory(path)
    assert again.forgotten == [two.key]
    assert [row.key for row in again.index.checkpoints(1)] == [one.key, third.key]
    assert again.verify() == []
    assert blobs(path) == again.index.files().keys()
    again.close()


@pytest.mark.parametrize("bit", [1, 64])
def test_a_bit_that_flips_in_a_name_costs_what_stands_on_it(directory: Directory, path: Path, bit: int) -> None:
    """Wherever it flips: in a row, or in what SQLite looks rows up by."""
    one, two = filled(directory)
    trunk = directory.index.segments(1)[0].file
    directory.close()
    data = (path / "index.sqlite").read_bytes()
    names = two.key, str(two.file).encode(), str(two.segment).encode(), trunk.encode()
    places = [found.start() + 5 for name in names for found in re.finditer(re.escape(name), data)]
    assert len(places) >= 2 * len(names), "each is in a row and in an index at least"
    n_forgotten = []
    for number, place in enumerate(places):
        copy = path.with_name(f"{number}")
        shutil.copytree(path, copy)
        (copy / "index.sqlite").write_bytes(data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :])
        with closing(Directory(copy)) as again:
            n_forgotten.append(len(again.forgotten))
            assert again.verify() == []
            assert blobs(copy) == again.index.files().keys()
            left = {row.key for row in again.index.checkpoints(1)}
            assert left <= {one.key, two.key}
            assert len(left) == 2 - len(again.forgotten)
            again.delete_blobs(again.index.add(1, [], alone(120)))
            assert again.index.keys() == {row.key for row in again.index.checkpoints(1)} == left | {two.key}
            again.remove([two.key])
            assert again.index.keys() == left - {two.key}
        with closing(Directory(copy)) as last:
            assert not last.forgotten
            assert last.verify() == []
            assert blobs(copy) == last.index.files().keys()
    assert {0, 1, 2} == {*n_forgotten}, "an index, a row, and the row that both stand on"


def test_tokens_that_were_cut_short_lead_nowhere(directory: Directory, path: Path) -> None:
    one, two = filled(directory)
    directory.close()
    with closing(sqlite3.connect(path / "index.sqlite")) as database:
        database.execute("UPDATE segments SET tokens = substr(tokens, 1, 7) WHERE file = ?", (two.segment,))
        database.commit()
    again = Directory(path)
    assert again.forgotten == [two.key]
    assert list(again.lost_paths(1)) == []
    assert [row.key for row in again.index.checkpoints(1)] == [one.key]
    again.close()


def test_what_changes_in_a_row_is_not_sealed(directory: Directory, path: Path) -> None:
    one, two = filled(directory)
    directory.index.touch(one.key, 77.5, 3)
    directory.index.pin(two.key, True)
    again = reopened(directory, path)
    assert not again.forgotten
    assert [(row.n_hits, row.pinned) for row in again.index.checkpoints(1)] == [(3, False), (0, True)]
    again.close()


@pytest.mark.parametrize("name", ["../index.sqlite", "", "/etc/passwd", "A" * 16, "0" * 16 + "\n", ".tmp"])
def test_no_name_leads_out_of_the_directory(directory: Directory, path: Path, name: str) -> None:
    with pytest.raises(DamagedError, match="is not the name of a file"):
        directory.read_blob(name)
    with pytest.raises(DamagedError, match="is not the name of a file"):
        directory.delete_blobs([name])
    assert (path / "index.sqlite").exists()


def test_a_file_that_cannot_be_deleted(directory: Directory, path: Path) -> None:
    (path / "blobs" / ("0" * 16)).mkdir()
    with pytest.raises(DiskError, match="cannot delete"):
        directory.delete_blobs(["0" * 16])
    (path / "blobs" / ("0" * 16)).rmdir()


def test_a_file_that_may_not_last_is_not_left_where_nobody_counts_it(
    directory: Directory, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(os.listdir(path / "blobs"))
    real = os.fsync

    def fail_for_directories(file: int) -> None:
        if stat.S_ISDIR(os.fstat(file).st_mode):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(file)

    monkeypatch.setattr(os, "fsync", fail_for_directories)
    with pytest.raises(DiskError, match="may not last"):
        directory.write_blob([noise(100)])
    assert set(os.listdir(path / "blobs")) == before


def test_a_full_disk_changes_nothing(directory: Directory, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(directory)
    before = blobs(path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(DiskError, match="the disk is full"):
            directory.write_blob([noise(100)])
    assert blobs(path) == before
    assert directory.verify() == []


@pytest.mark.parametrize("n_full", [1, 2])
def test_a_full_disk_can_be_emptied(directory: Directory, path: Path, n_full: int) -> None:
    one, two = filled(directory)
    remove, own = Index.remove, directory.index.checkpoints(1)[1].file
    full = [FullError("the disk is full")] * n_full

    def remove_if_there_is_room(index: Index, keys: Iterable[bytes]) -> list[str]:
        if full:
            raise full.pop()
        return remove(index, keys)

    with patch.object(Index, "remove", remove_if_there_is_room):
        if n_full == 1:
            directory.remove([two.key])
        else:
            with pytest.raises(FullError):
                directory.remove([two.key])
    assert own not in blobs(path)
    again = reopened(directory, path)
    assert [row.key for row in again.index.checkpoints(1)] == [one.key]
    assert again.verify() == []
    again.close()
