"""Desks with a disk, one directory for all of a test."""

from collections.abc import Iterator
from typing import Any

import pytest

from segue.memory import MemoryKind
from tests.cache.disk_desk import DiskDesk, MakeDesk, quick_directory


@pytest.fixture
def make() -> Iterator[MakeDesk]:
    """Makes desks, and lets them go."""
    desks: list[DiskDesk] = []
    with quick_directory() as directory:

        def made(kind: MemoryKind, **room: Any) -> DiskDesk:
            desks.append(DiskDesk(kind, directory / "cache", **room))
            return desks[-1]

        yield made
        for desk in desks:
            desk.end()
