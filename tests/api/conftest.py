"""A running server for the tests that only ask it."""

from collections.abc import Iterator

import pytest

from tests.kit.live import Live, live
from tests.kit.waiting import PATIENCE_S


@pytest.fixture(scope="module")
def server() -> Iterator[Live]:
    """One server for all tests of a module."""
    with live() as running:
        yield running


@pytest.fixture(autouse=True)
def no_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Early errors have statuses of their own however long they take; tests of silence set another time."""
    monkeypatch.setattr("segue.api.replies.respond.FIRST_EVENT_S", PATIENCE_S)
