import itertools
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from segue.commands.cache.contents import DirectoryContents
from segue.storage.directory import Directory
from tests.commands.cache.making import IDS, KEYS


def bytes_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in os.scandir(path / "blobs"))


@pytest.mark.parametrize(
    "numbers", [numbers for n in (1, 2, 3, 4) for numbers in itertools.combinations(range(1, 7), n)]
)
def test_it_says_what_a_removal_leaves(path: Path, contents: DirectoryContents, numbers: tuple[int, ...]) -> None:
    usage = contents.file_usage()
    assert usage.used_bytes == contents.used_bytes == bytes_on_disk(path)
    for checkpoint in contents.find(IDS[number] for number in numbers):
        before, freed = usage.used_bytes, usage.freed_bytes(checkpoint)
        usage.remove(checkpoint)
        assert usage.used_bytes == before - freed
    with closing(Directory(path)) as directory:
        directory.delete_blobs(directory.index.remove(KEYS[number] for number in numbers))
    assert usage.used_bytes == bytes_on_disk(path) == DirectoryContents.read(path).used_bytes
    shutil.rmtree(path)
