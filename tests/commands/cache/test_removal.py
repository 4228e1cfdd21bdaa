from pathlib import Path

from segue.commands.cache.contents import DirectoryContents
from segue.commands.cache.opening import opened
from segue.commands.cache.removal import Removal, remove
from tests.commands.cache.making import IDS, NUMBERS


def test_what_was_said_is_done(path: Path) -> None:
    with opened(path) as (directory, contents):
        checkpoints = contents.find([IDS[1], IDS[3]])
        removal = Removal.of(checkpoints, contents)
        remove(directory, checkpoints)
        assert directory.verify() == []
    after = DirectoryContents.read(path)
    assert {NUMBERS[checkpoint.id] for checkpoint in after.checkpoints} == {2, 4, 5, 6}
    assert (removal.n_removed, removal.left_bytes) == (2, after.used_bytes)
    assert removal.freed_bytes == contents.used_bytes - after.used_bytes


def test_as_a_line() -> None:
    assert Removal(1, 2048, 0).text("removed") == "1 checkpoint removed: 2.0 KiB freed, 0 B left"
    assert Removal(0, 0, 5).text("would be removed") == "0 checkpoints would be removed: 0 B freed, 5 B left"
