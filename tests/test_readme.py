"""What the README says of the tests."""

from pathlib import Path

import pytest

from tests.acceptance.clients import NOT_INSTALLED
from tests.sim.shared import NO_RECORDINGS

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.mark.parametrize("reason", [NOT_INSTALLED, NO_RECORDINGS])
def test_it_says_in_the_same_words_why_tests_are_skipped(reason: str) -> None:
    assert f"`{reason}`" in README
