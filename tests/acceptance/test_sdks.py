"""Client libraries in two turns, each with the call of a tool: they work, and only what is new is read."""

from pathlib import Path

import pytest

from tests.acceptance.part import MANNERS
from tests.acceptance.reading import check_turn
from tests.acceptance.sdks import SDKS
from tests.kit.acted import acted

pytestmark = pytest.mark.acceptance

# These are installed with all that development needs.
IN_CI = ("openai", "openai-streamed", "anthropic")


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize(
    "sdk", [pytest.param(sdk, marks=[pytest.mark.client_ci] if sdk in IN_CI else []) for sdk in SDKS]
)
def test_two_turns(sdk: str, manner: str, tmp_path: Path) -> None:
    with acted(MANNERS[manner], template=MANNERS[manner].template) as server:
        assert "Answer 2." in SDKS[sdk](server.url, tmp_path)
        check_turn(server, server.exchanges[:2], 0)
        check_turn(server, server.exchanges, 2, forgets=manner == "forgetful")
