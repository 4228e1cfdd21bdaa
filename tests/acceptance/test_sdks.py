"""Client libraries in two turns, each with the call of a tool: they work, and only what is new is read."""

from pathlib import Path

import pytest

from tests.acceptance.facts import DROPS_REASONING, TEMPLATE_WRITES
from tests.acceptance.part import COMPACT, PLAIN, THINKING, Manner
from tests.acceptance.reading import check_turn
from tests.acceptance.sdks import SDKS
from tests.kit.acted import acted

pytestmark = pytest.mark.acceptance

MANNERS = {"plain": PLAIN, "thinking": THINKING, "compact": COMPACT}


def cases() -> list[object]:
    """Each library with each manner, marked with what is known of it."""
    drops_reasoning = ("langchain", "llm")
    found: list[object] = []
    for sdk in SDKS:
        for manner in MANNERS:
            marks = [pytest.mark.client_ci] if sdk.startswith("openai") else []
            marks += [TEMPLATE_WRITES] if manner == "compact" else []
            marks += [DROPS_REASONING] if manner == "thinking" and sdk in drops_reasoning else []
            found.append(pytest.param(sdk, MANNERS[manner], id=f"{sdk}-{manner}", marks=marks))
    return found


@pytest.mark.parametrize(("sdk", "manner"), cases())
def test_two_turns(sdk: str, manner: Manner, tmp_path: Path) -> None:
    with acted(manner, template=manner.template) as server:
        assert "Answer 2." in SDKS[sdk](server.url, tmp_path)
        check_turn(server, server.exchanges[:2], 0)
        check_turn(server, server.exchanges, 2)
