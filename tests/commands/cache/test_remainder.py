import itertools
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from segue.commands.cache.stock import Stock
from segue.storage.directory import Directory
from tests.commands.cache.making import IDS, KEYS


def bytes_on_disk(path: Path) -> int:
    return sum(file.stat().st_size for file in os.scandir(path / "blobs"))


@pytest.mark.parametrize(
    "numbers", [numbers for n in (1, 2, 3, 4) for numbers in itertools.combinations(range(1, 7), n)]
)
def test_it_says_what_a_removal_leaves(path: Path, stock: Stock, numbers: tuple[int, ...]) -> None:
    remainder = stock.remainder()
    assert remainder.used_bytes == stock.used_bytes == bytes_on_disk(path)
    for holding in stock.find(IDS[number] for number in numbers):
        before, freed = remainder.used_bytes, remainder.freed_bytes(holding)
        remainder.remove(holding)
        assert remainder.used_bytes == before - freed
    with closing(Directory(path)) as directory:
        directory.delete_blobs(directory.index.remove(KEYS[number] for number in numbers))
    assert remainder.used_bytes == bytes_on_disk(path) == Stock.look(path).used_bytes
    shutil.rmtree(path)
