"""Opens a cache directory to change it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from segue.commands.cache.stock import Stock
from segue.storage.directory import Directory
from segue.storage.index import Index


@contextmanager
def opened(path: Path) -> Iterator[tuple[Directory, Stock]]:
    """The directory and what it holds, this process' alone until the block ends.

    What is no cache directory is left as it is. Raises DiskError, and names the process that uses the directory.
    """
    Index(path / "index.sqlite", read_only=True).close()
    with closing(Directory(path)) as directory:
        yield directory, Stock.of(path, directory.index)
