"""What a template is told beside messages and tools."""

from typing import Any

import pytest

from segue.chat.template.variables import completed

KEEP = {"preserve_thinking": True, "clear_thinking": False, "truncate_history_thinking": False, "drop_thinking": False}


def told(given: dict[str, Any]) -> dict[str, Any]:
    """What is told beside `preserve_reasoning` and `enable_thinking`."""
    return {k: v for k, v in completed(given).items() if k not in ("preserve_reasoning", "enable_thinking")}


def test_earlier_reasoning_stays_unless_it_is_to_go() -> None:
    assert told({}) == KEEP
    assert told({"preserve_reasoning": True}) == KEEP
    assert told({"preserve_reasoning": False}) == {name: not value for name, value in KEEP.items()}
    assert told({"clear_thinking": True}) == {**KEEP, "clear_thinking": True}
    assert told({"preserve_reasoning": "maybe"}) == {}


def test_the_model_is_told_to_think_unless_it_is_told_otherwise() -> None:
    assert completed({})["enable_thinking"] is True
    assert completed({"enable_thinking": False})["enable_thinking"] is False


@pytest.mark.parametrize("effort", ["", None, 3])
def test_an_effort_that_is_no_text_stands_alone(effort: object) -> None:
    assert told({"reasoning_effort": effort}) == {**KEEP, "reasoning_effort": effort}


def test_an_effort_has_both_its_names() -> None:
    assert told({"reasoning_effort": "low"}) == {**KEEP, "reasoning_effort": "low", "reasoning_strength": "low"}
    own = {"reasoning_effort": "low", "reasoning_strength": "high"}
    assert told(own) == {**KEEP, **own}
