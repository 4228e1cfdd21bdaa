"""Tools as this API declares them, in the form of the chat API, and the way back from a name to what the client knows.

A model only calls functions. A custom tool, whose input is free text, becomes a function with one parameter; the tools
of a namespace become functions with the namespace before their names. Tools that OpenAI runs itself are passed over.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from segue.api.intake.custom_calls import INPUT
from segue.api.replies.serialization import JsonObject
from segue.serving.errors import invalid

_SEPARATOR = "__"


@dataclass(frozen=True, slots=True)
class ClientTool:
    """A tool as the client knows it."""

    name: str
    namespace: str | None = None
    is_custom: bool = False


@dataclass(frozen=True, slots=True)
class Toolbox:
    """A request's tools: `definitions` in the form of the chat API, and the tools by the names in them."""

    definitions: tuple[JsonObject, ...]
    by_name: Mapping[str, ClientTool]

    def called(self, name: str) -> ClientTool:
        """The tool that the model means; a function, if it means none that was on offer."""
        return self.by_name.get(name) or ClientTool(name)


def function_name(name: str, namespace: object = None) -> str:
    """The name by which the model knows a tool."""
    if not isinstance(namespace, str) or not namespace:
        return name
    return namespace + ("" if namespace.endswith(_SEPARATOR) else _SEPARATOR) + name


def read_tools(tools: Iterable[Mapping[str, Any]]) -> Toolbox:
    """The toolbox of a request. Raises ApiError for a tool without a name."""
    definitions: list[JsonObject] = []
    by_name: dict[str, ClientTool] = {}
    for where, declared, namespace in _flattened(tools):
        is_custom = declared.get("type") == "custom"
        nested = declared.get("function")
        described = nested if isinstance(nested, Mapping) else declared
        name = described.get("name")
        if not isinstance(name, str) or not name:
            raise invalid(f"Field '{where}.name': it must be a text")
        known = function_name(name, namespace)
        by_name[known] = ClientTool(name, namespace, is_custom)
        described = _custom(described) if is_custom else described
        function = {key: described[key] for key in ("description", "parameters", "strict") if _has(described, key)}
        definitions.append({"type": "function", "function": {"name": known, **function}})
    return Toolbox(tuple(definitions), by_name)


def chat_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    """`tool_choice` in the form of the chat API."""
    if (
        isinstance(choice, dict)
        and choice.get("type") in ("function", "custom")
        and isinstance(choice.get("name"), str)
    ):
        return {"type": "function", "function": {"name": function_name(choice["name"], choice.get("namespace"))}}
    return choice


def _flattened(tools: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any], str | None]]:
    """The functions and custom tools, each with its field and its namespace."""
    for i, tool in enumerate(tools):
        inner = tool.get("tools")
        if tool.get("type") in ("function", "custom"):
            yield f"tools.{i}", tool, None
        elif tool.get("type") == "namespace" and isinstance(inner, list):
            for j, member in enumerate(inner):
                if isinstance(member, Mapping) and member.get("type") in ("function", "custom"):
                    name = tool.get("name")
                    yield f"tools.{i}.tools.{j}", member, name if isinstance(name, str) else None


def _custom(tool: Mapping[str, Any]) -> JsonObject:
    """A function for a custom tool. The model is told the grammar of the input: it is not held to it."""
    text = tool.get("description") if isinstance(tool.get("description"), str) else ""
    format_ = tool.get("format")
    grammar = format_.get("definition") if isinstance(format_, Mapping) else None
    if isinstance(grammar, str):
        text = f"{text}\n\nThe input follows this grammar:\n{grammar}"
    parameters = {"type": "object", "properties": {INPUT: {"type": "string"}}, "required": [INPUT]}
    return {"description": text, "parameters": parameters}


def _has(described: Mapping[str, Any], key: str) -> bool:
    return described.get(key) is not None
