import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from segue.commands.cache.contents import DirectoryContents
from segue.storage.directory import Directory
from segue.storage.errors import DiskError
from tests.commands.cache.making import IDS, KEYS, NEW, NUMBERS, add, filled
from tests.storage.making import alone


def test_what_a_directory_holds(contents: DirectoryContents) -> None:
    assert [NUMBERS[checkpoint.id] for checkpoint in contents.checkpoints] == [2, 1, 6, 3, 4, 5]
    assert [len(checkpoint.chain) for checkpoint in contents.checkpoints] == [2, 2, 0, 0, 1, 0]
    assert contents.n_files == 9
    assert contents.models[1] == NEW


def test_settings_of_one_file_are_told_apart(contents: DirectoryContents) -> None:
    assert [contents.model_name(number) for number in (1, 2)] == ["aaaaaaaa-1", "aaaaaaaa-2"]
    one = DirectoryContents(contents.path, contents.checkpoints, {1: NEW, 2: {}}, 0, 0)
    assert [one.model_name(number) for number in (1, 2)] == ["aaaaaaaa", "unknown"]


def test_a_directory_in_use_is_seen_as_it_was_and_goes_on(tmp_path: Path) -> None:
    with filled(tmp_path) as directory:
        assert len(DirectoryContents.read(tmp_path).checkpoints) == 6
        add(directory, NEW, [], alone(7))
        assert len(DirectoryContents.read(tmp_path).checkpoints) == 7
        directory.index.remove([KEYS[1], KEYS[2]])
        assert len(DirectoryContents.read(tmp_path).checkpoints) == 5
        directory.index.pin(KEYS[3], pinned=True)
        assert directory.verify() == []


def test_looking_changes_nothing(path: Path) -> None:
    before = {file: file.read_bytes() for file in path.rglob("*") if file.is_file()}
    DirectoryContents.read(path)
    assert before == {file: file.read_bytes() for file in before}
    assert {file.name for file in path.iterdir()} <= {
        *("lock", "blobs", "index.sqlite", "index.sqlite-shm", "index.sqlite-wal")
    }
    Directory(path).close()


def test_a_directory_without_an_index(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "none"):
        with pytest.raises(DiskError, match=r"is not a cache directory: it has no index\.sqlite"):
            DirectoryContents.read(wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_place_whose_name_is_odd(path: Path) -> None:
    odd = path.with_name("a?mode=rw&b#c %41 d")
    shutil.move(path, odd)
    assert len(DirectoryContents.read(odd).checkpoints) == 6


def test_a_fingerprint_that_is_none(path: Path) -> None:
    for text in ("{", "[1]", "7"):
        with closing(sqlite3.connect(path / "index.sqlite")) as database, database:
            database.execute("UPDATE models SET fingerprint = ? WHERE id = 1", (text,))
        with pytest.raises(DiskError, match="is not a fingerprint"):
            DirectoryContents.read(path)


def test_wrong_ids_are_named_once(contents: DirectoryContents) -> None:
    with pytest.raises(DiskError, match="has no checkpoint 99999, 77777; segue cache ls"):
        contents.find(["99999", IDS[1], "77777", "99999"])
    assert [checkpoint.id for checkpoint in contents.find([IDS[3], IDS[1], IDS[3]])] == [IDS[3], IDS[1]]


def test_any_beginning_in_either_case_will_do(contents: DirectoryContents) -> None:
    for n_digits in (4, 8, 32):
        for id_ in IDS.values():
            found = contents.find([id_[:n_digits], id_[:n_digits].upper(), id_])
            assert [checkpoint.id for checkpoint in found] == [id_]
    with pytest.raises(DiskError, match="has no checkpoint"):
        contents.find([IDS[1] + "0"])


def alike(contents: DirectoryContents, *ids: str) -> DirectoryContents:
    """Checkpoints that are one but for their ids."""
    (one, *_) = contents.checkpoints
    checkpoints = [replace(one, row=replace(one.row, key=bytes.fromhex(id_))) for id_ in ids]
    return replace(contents, checkpoints=tuple(checkpoints))


def test_ids_that_begin_alike_take_more_digits(contents: DirectoryContents) -> None:
    one, two, three = "0123456789" + 22 * "0", "01234567ab" + 22 * "0", 32 * "f"
    few = alike(contents, two, three, one)
    with pytest.raises(DiskError, match=r"has several checkpoints 012345; give more digits, as segue cache ls shows$"):
        few.find([three, "012345"])
    for beginning in ("012345678", "01234567a", "ffff"):
        (found,) = few.find([beginning])
        assert found.id.startswith(beginning)
    assert few.short_ids == {one: "012345678", two: "01234567a", three: 8 * "f"}
    assert [few.find([short])[0].id for short in few.short_ids.values()] == [*few.short_ids]
