"""Rewrites calls of custom tools in a chat's history as function calls, the only ones that templates know."""

import json
from collections.abc import Mapping
from typing import Any, Final

INPUT: Final = "input"
"""The parameter of a custom tool."""


def as_functions(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages, with each call of a custom tool as the call of a function. What is malformed stays as it is."""
    return [
        {**message, "tool_calls": [_as_function(call) for call in message["tool_calls"]]}
        if isinstance(message.get("tool_calls"), list)
        else message
        for message in messages
    ]


def _as_function(call: Any) -> Any:
    custom = call.get("custom") if isinstance(call, Mapping) else None
    if not isinstance(custom, Mapping) or call.get("function") is not None:
        return call
    arguments = json.dumps({INPUT: custom.get("input")}, ensure_ascii=False)
    function = {"name": custom.get("name"), "arguments": arguments}
    return {**{key: value for key, value in call.items() if key != "custom"}, "type": "function", "function": function}
