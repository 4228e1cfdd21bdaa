"""Tools as the client declares them and as the model knows them."""

from typing import Any

import pytest

from segue.api.responses.tools import ClientTool, chat_choice, function_name, read_tools
from segue.serving.errors import ApiError

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def names(toolbox_of: list[dict[str, Any]]) -> list[Any]:
    return [definition["function"]["name"] for definition in read_tools(toolbox_of).definitions]  # type: ignore[index]


def test_a_function_loses_its_flat_form() -> None:
    toolbox = read_tools([{"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": None}])
    function = {"name": "f", "description": "d", "parameters": SCHEMA}
    assert toolbox.definitions == ({"type": "function", "function": function},)
    assert toolbox.called("f") == ClientTool("f")
    strict = read_tools([{"type": "function", "name": "f", "strict": True}])
    assert strict.definitions == ({"type": "function", "function": {"name": "f", "strict": True}},)


def test_the_form_of_the_chat_api_is_taken_too() -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
    assert read_tools([tool]).definitions == (tool,)


def test_a_custom_tool_is_a_function_with_one_text() -> None:
    format_ = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
    toolbox = read_tools([{"type": "custom", "name": "patch", "description": "Patches.", "format": format_}])
    function: Any = toolbox.definitions[0]["function"]
    assert function["parameters"]["required"] == ["input"]
    assert function["description"] == "Patches.\n\nThe input follows this grammar:\nstart: /x/"
    assert toolbox.called("patch") == ClientTool("patch", is_custom=True)
    free: Any = read_tools([{"type": "custom", "name": "patch", "format": {"type": "text"}}]).definitions[0]
    assert free["function"]["description"] == ""


def test_a_namespace_is_before_the_names_of_its_tools() -> None:
    inner = [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}, {"type": "web_search"}, 3]
    declared: list[dict[str, Any]] = [
        {"type": "namespace", "name": "mcp__files", "description": "d", "tools": inner},
        {"type": "namespace", "name": "mcp__web__", "tools": inner[:1]},
        {"type": "function", "name": "f"},
    ]
    assert names(declared) == ["mcp__files__f", "mcp__files__c", "mcp__web__f", "f"]
    toolbox = read_tools(declared)
    assert toolbox.called("mcp__files__f") == ClientTool("f", "mcp__files")
    assert toolbox.called("mcp__files__c") == ClientTool("c", "mcp__files", is_custom=True)
    assert toolbox.called("mcp__web__f") == ClientTool("f", "mcp__web__")
    assert function_name("f", "mcp__files") == "mcp__files__f"


def test_what_is_not_declared_is_a_function() -> None:
    assert read_tools([]).called("f") == ClientTool("f")


def test_tools_that_run_elsewhere_are_passed_over() -> None:
    kinds = ["web_search", "local_shell", "file_search", "image_generation", "new", None]
    assert names([{"type": kind} for kind in kinds]) == []
    assert names([{"type": "namespace", "name": "n", "tools": None}]) == []


@pytest.mark.parametrize(
    ("tool", "where"),
    [
        ({"type": "function"}, "tools.0.name"),
        ({"type": "function", "name": ""}, "tools.0.name"),
        ({"type": "custom", "name": 3}, "tools.0.name"),
        ({"type": "namespace", "name": "n", "tools": [{"type": "function"}]}, "tools.0.tools.0.name"),
    ],
)
def test_a_tool_needs_a_name(tool: dict[str, Any], where: str) -> None:
    with pytest.raises(ApiError, match=where):
        read_tools([tool])


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", "auto"),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        ({"type": "custom", "name": "c"}, {"type": "function", "function": {"name": "c"}}),
        ({"type": "function", "name": "f", "namespace": "n"}, {"type": "function", "function": {"name": "n__f"}}),
        ({"type": "web_search"}, {"type": "web_search"}),
    ],
)
def test_the_choice(choice: Any, expected: object) -> None:
    assert chat_choice(choice) == expected
