"""That a shared file is written once, and whole or not at all."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit.written_files import written_once


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def writing(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_text(text)

    return write


def all_files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


def test_writes_once_a_version() -> None:
    first = written_once("a", writing("1"), "v1")
    assert written_once("a", writing("2"), "v1") == first
    assert first.read_text() == "1"
    assert written_once("a", writing("2"), "v2").read_text() == "2"


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        written_once("a", fail, "v1")
    assert all_files(tmp_path) == []


def test_another_process_may_write_it_meanwhile(tmp_path: Path) -> None:
    def overtaken(path: Path) -> None:
        path.write_text("ha")
        assert written_once("a", writing("half"), "v1").read_text() == "half"
        path.write_text("half")

    assert all_files(tmp_path) == []
    path = written_once("a", overtaken, "v1")
    assert path.read_text() == "half"
    assert all_files(tmp_path) == [path]
