"""Opens a cache directory to change it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from segue.commands.cache.contents import DirectoryContents
from segue.storage.directory import Directory
from segue.storage.index import Index


@contextmanager
def opened(path: Path) -> Iterator[tuple[Directory, DirectoryContents]]:
    """Open a directory and its contents for exclusive use until the block ends.

    A directory that is not a cache directory stays as it is. Raises DiskError, which names the process that uses the
    directory, if another one does.
    """
    Index(path / "index.sqlite", read_only=True).close()
    with closing(Directory(path)) as directory:
        yield directory, DirectoryContents.of(path, directory.index)
