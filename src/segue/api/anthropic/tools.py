"""Translates Anthropic's tools and tool choice to OpenAI's."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue.api.anthropic.caching import ttl_of
from segue.chat.breakpoints import Wish
from segue.chat.rendered_prompt import PREAMBLE
from segue.serving.errors import invalid


def to_tools(tools: Sequence[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[Wish]]:
    """The tools, and what is to be kept. Those that Anthropic's own servers run are passed over. Raises ApiError."""
    functions: list[dict[str, Any]] = []
    wishes: list[Wish] = []
    for i, tool in enumerate(tools):
        ttl_s = ttl_of(tool.get("cache_control"), f"tools.{i}.cache_control")
        if ttl_s is not None:
            wishes.append(Wish(PREAMBLE, ttl_s))
        if "input_schema" not in tool and tool.get("type", "custom") != "custom":
            continue
        functions.append({"type": "function", "function": _function(i, tool)})
    return functions, wishes


def _function(i: int, tool: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(tool.get("name"), str) or not tool["name"]:
        raise invalid(f"Field 'tools.{i}.name': it must be a text")
    if not isinstance(tool.get("input_schema"), dict):
        raise invalid(f"Field 'tools.{i}.input_schema': it must be an object")
    function = {"name": tool["name"], "description": tool.get("description"), "parameters": tool["input_schema"]}
    return {name: value for name, value in function.items() if value is not None}


def to_tool_choice(choice: Mapping[str, Any] | None) -> str | dict[str, Any] | None:
    """OpenAI's `tool_choice`. Raises ApiError."""
    if choice is None:
        return None
    kind = choice.get("type")
    if kind == "tool":
        if not isinstance(choice.get("name"), str):
            raise invalid("Field 'tool_choice.name': it must be a text")
        return {"type": "function", "function": {"name": choice["name"]}}
    if kind not in ("auto", "any", "none"):
        raise invalid("Field 'tool_choice.type': it must be auto, any, tool or none")
    return "required" if kind == "any" else kind
