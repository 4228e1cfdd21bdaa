"""A running server for the tests that only ask it."""

from collections.abc import Iterator

import pytest

from tests.kit.live import Live, live


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """One server for all tests of a module."""
    with live() as running:
        yield running
