import errno
import sqlite3
from pathlib import Path

import pytest

from segue.storage.errors import DamagedError, DiskError, disk_error, index_error


def test_known_reasons_say_what_to_do() -> None:
    for code in (errno.EACCES, errno.EROFS, errno.ENOTDIR, errno.ENOSPC, errno.ENOLCK):
        text = str(disk_error("cannot write it", OSError(code, "?")))
        assert text.startswith("cannot write it: ")
        assert "--cache-dir" in text
        assert "\n" not in text


def test_unknown_reasons_are_the_systems() -> None:
    assert str(disk_error("no", OSError(errno.EIO, "I/O error"))) == "no: I/O error"
    assert str(disk_error("no", OSError("odd"))) == "no: odd"
    assert str(index_error(Path("i"), sqlite3.Error("odd"))) == "cannot use the index i: odd"
    no_text = UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")
    assert str(index_error(Path("i"), no_text)).startswith("cannot use the index i: it is damaged")


def test_damage_is_an_error_of_the_disk() -> None:
    with pytest.raises(DiskError):
        raise DamagedError("torn")
