"""A filled cache directory that nobody uses."""

from pathlib import Path

import pytest

from segue.commands.cache.contents import DirectoryContents
from tests.commands.cache.making import fill


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    fill(path)
    return path


@pytest.fixture
def contents(path: Path) -> DirectoryContents:
    return DirectoryContents.read(path)
