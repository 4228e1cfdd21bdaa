"""Tools and the choice among them."""

from typing import Any

import pytest

from segue.api.anthropic.tools import to_tool_choice, to_tools
from segue.serving.errors import ApiError

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}


def test_tools_become_functions_and_those_of_anthropics_servers_are_passed_over() -> None:
    tools: list[dict[str, Any]] = [
        {"name": "ls", "description": "Lists", "input_schema": SCHEMA, "eager_input_streaming": True},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 5},
        {"type": "custom", "name": "pwd", "input_schema": {}, "cache_control": {"type": "ephemeral", "ttl": "1h"}},
    ]
    assert to_tools(tools) == (
        [
            {"type": "function", "function": {"name": "ls", "description": "Lists", "parameters": SCHEMA}},
            {"type": "function", "function": {"name": "pwd", "parameters": {}}},
        ],
        [(-1, 3600.0)],
    )
    assert to_tools([]) == ([], [])


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ({"type": "auto"}, "auto"),
        ({"type": "any", "disable_parallel_tool_use": True}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "ls"}, {"type": "function", "function": {"name": "ls"}}),
    ],
)
def test_choices(choice: dict[str, Any] | None, expected: object) -> None:
    assert to_tool_choice(choice) == expected


@pytest.mark.parametrize("tool", [{"name": "x"}, {"input_schema": {}}, {"name": "x", "input_schema": []}, {"name": ""}])
def test_odd_tools(tool: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match=r"tools\.0\."):
        to_tools([tool])


@pytest.mark.parametrize("choice", [{}, {"type": "tool"}, {"type": "required"}, {"type": ["any"]}])
def test_odd_choices(choice: dict[str, Any]) -> None:
    with pytest.raises(ApiError, match="tool_choice"):
        to_tool_choice(choice)
