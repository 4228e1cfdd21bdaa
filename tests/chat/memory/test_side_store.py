"""SideStore of conversations."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from segue.chat.memory.side_store import SideStore

LIMIT = 1 << 20


@pytest.mark.parametrize("is_file", [False, True])
def test_what_was_put_is_found_under_its_kind_and_digest_only(tmp_path: Path, *, is_file: bool) -> None:
    side_store = SideStore(tmp_path / "notes" if is_file else None, LIMIT)
    side_store.put("a", b"1", b"value")
    side_store.put("a", b"2", b"old")
    side_store.put("a", b"2", b"new")
    assert side_store.get("a", b"1") == b"value"
    assert side_store.get("a", b"2") == b"new"
    assert side_store.get("b", b"1") is None
    assert side_store.get("a", b"3") is None
    side_store.close()


def test_they_outlive_the_process_in_a_file(tmp_path: Path) -> None:
    first = SideStore(tmp_path / "notes", LIMIT)
    first.put("a", b"1", b"value")
    first.close()
    second = SideStore(tmp_path / "notes", LIMIT)
    assert second.get("a", b"1") == b"value"
    second.close()


@pytest.mark.parametrize("change", ["value = x'00' || substr(value, 2)", "digest = x'32'", "kind = 'b'"])
def test_what_is_not_what_was_put_is_not_given(tmp_path: Path, change: str) -> None:
    side_store = SideStore(tmp_path / "notes", LIMIT)
    side_store.put("a", b"1", b"value")
    side_store.close()
    with closing(sqlite3.connect(tmp_path / "notes")) as database:
        database.execute(f"UPDATE note SET {change}")
        database.commit()
    side_store = SideStore(tmp_path / "notes", LIMIT)
    assert [side_store.get(kind, digest) for kind in ("a", "b") for digest in (b"1", b"2")] == [None] * 4
    side_store.put("a", b"1", b"again")
    assert side_store.get("a", b"1") == b"again"
    side_store.close()


@pytest.mark.parametrize("is_reopened", [False, True])
def test_the_least_recently_used_go_first(tmp_path: Path, *, is_reopened: bool) -> None:
    side_store = SideStore(tmp_path / "notes", 2000)
    for i in range(4):
        side_store.put("a", bytes([i]), bytes(200))
    assert side_store.get("a", b"\0")
    if is_reopened:
        side_store.close()
        side_store = SideStore(tmp_path / "notes", 2000)
    side_store.put("b", b"", bytes(250))
    assert [side_store.get("a", bytes([i])) is None for i in range(4)] == [False, True, False, False]
    side_store.close()


def test_what_is_larger_than_the_limit_is_not_kept() -> None:
    side_store = SideStore(None, 1000)
    side_store.put("a", b"1", bytes(2000))
    assert side_store.get("a", b"1") is None
    side_store.put("a", b"2", bytes(500))
    assert side_store.get("a", b"2")
    side_store.close()


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    side_store = SideStore(tmp_path / "notes", LIMIT)
    side_store.put("a", b"1", b"value")
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    side_store.close()


def test_a_file_that_is_none_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "notes").write_bytes(b"no database" * 1000)
    side_store = SideStore(tmp_path / "notes", LIMIT)
    side_store.put("a", b"1", b"value")
    assert side_store.get("a", b"1") == b"value"
    side_store.close()


def test_where_nothing_can_be_written_it_stays_in_memory(tmp_path: Path) -> None:
    side_store = SideStore(tmp_path / "missing" / "notes", LIMIT)
    side_store.put("a", b"1", b"value")
    assert side_store.get("a", b"1") == b"value"
    side_store.close()


def test_after_the_end_everything_is_a_miss() -> None:
    side_store = SideStore(None, LIMIT)
    side_store.close()
    side_store.put("a", b"1", b"value")
    assert side_store.get("a", b"1") is None
