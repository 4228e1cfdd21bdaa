from pathlib import Path

import pytest

from segue.commands.cache.opening import opened
from segue.storage.errors import DiskError
from tests.commands.cache.making import filled


def test_it_is_ours_until_the_block_ends(path: Path) -> None:
    with opened(path) as (_, contents), pytest.raises(DiskError, match="uses it"), opened(path):
        pass
    with opened(path) as (_, again):
        assert again.used_bytes == contents.used_bytes


def test_a_directory_in_use_is_refused(tmp_path: Path) -> None:
    with filled(tmp_path), pytest.raises(DiskError, match="uses it"), opened(tmp_path):
        pass


def test_what_is_no_cache_directory_is_left_as_it_is(tmp_path: Path) -> None:
    for wrong in (tmp_path, tmp_path / "none"):
        with pytest.raises(DiskError, match="not a cache directory"), opened(wrong):
            pass
    assert list(tmp_path.iterdir()) == []
