"""The form in which a chat template takes the tools on offer, found by trying it."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_MARK: Final = "segue-tool"
_DESCRIPTION: Final = "description"
_FUNCTIONS: Final = "functions"
_PARAMETERS: Final = "parameters"
_NO_PARAMETERS: Final[Sequence[Mapping[str, Any]]] = ({}, {"type": "object", "properties": {}})
"""What may stand for the parameters of a tool without any: as llama-server writes it, and what any template reads."""
_OTHERS: Final = "additionalProperties"
_INNER: Final = (_OTHERS, "items")
_INDENT: Final = 4
Tool = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ToolForm:
    """How tools must be shown to one template. The defaults suit one about which nothing was found.

    `takes_bare_tools`, `takes_bare_parameters`: one may lack a description. `takes_null_types`: null may be
    among the types of a parameter; `takes_open_objects`: a parameter that is an object need not say what its members
    are. `no_parameters` stands for those of a tool without parameters, None where they may be missing.
    `needs_functions`: the template refuses to render without the tools as JSON text under that name.
    """

    takes_bare_tools: bool = True
    takes_bare_parameters: bool = True
    takes_null_types: bool = True
    takes_open_objects: bool = True
    no_parameters: Mapping[str, Any] | None = None
    needs_functions: bool = False

    def variables(self, tools: Sequence[Tool]) -> dict[str, Any]:
        """The variables that the template gets beside the tools themselves."""
        if not self.needs_functions:
            return {}
        functions = [_function(tool) for tool in tools]
        text = json.dumps(functions, indent=_INDENT, ensure_ascii=False) if functions else ""
        return {_FUNCTIONS: text}

    def shaped(self, tools: Sequence[Tool]) -> list[Tool]:
        """The tools with empty descriptions and parameters where the template needs them.

        Those of the client stay as they are.
        """
        if self.no_parameters is not None:
            tools = [_with_parameters(tool, self.no_parameters) for tool in tools]
        if not self.takes_bare_tools:
            tools = [_described(tool) for tool in tools]
        if not self.takes_bare_parameters:
            tools = [_with_function(tool, _with_described_parameters(_function(tool))) for tool in tools]
        if not (self.takes_null_types and self.takes_open_objects):
            tools = [_with_function(tool, self._with_plain_parameters(_function(tool))) for tool in tools]
        return list(tools)

    def _with_plain_parameters(self, function: Mapping[str, Any]) -> Mapping[str, Any]:
        parameters = function.get(_PARAMETERS)
        properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
        if not isinstance(parameters, Mapping) or not isinstance(properties, Mapping):
            return function
        plain = {name: self._plain(about) for name, about in properties.items()}
        return {**function, _PARAMETERS: {**parameters, "properties": plain}}

    def _plain(self, schema: object) -> object:
        """A schema, and all in it that the template may come to, as it can read them."""
        if not isinstance(schema, Mapping):
            return schema
        plain = {key: self._plain(value) if key in _INNER else value for key, value in schema.items()}
        kinds = plain.get("type")
        if not self.takes_null_types and isinstance(kinds, list) and "null" in kinds:
            kinds = [kind for kind in kinds if kind != "null"]
            plain["type"] = kinds[0] if len(kinds) == 1 else kinds
            if not kinds:
                del plain["type"]
        if (
            not self.takes_open_objects
            and plain.get("type") == "object"
            and not isinstance(plain.get(_OTHERS), Mapping)
        ):
            plain[_OTHERS] = {}
        return plain


def find_tool_form(writes: Callable[[Sequence[Tool], Mapping[str, Any]], bool]) -> ToolForm:
    """The form of a template; `writes` tries whether it writes a message by the user with tools and variables."""
    if writes((), {}):
        needs_functions = False
    elif writes((), {_FUNCTIONS: ""}):
        needs_functions = True
    else:
        return ToolForm()
    further = {_FUNCTIONS: ""} if needs_functions else {}
    described = {_DESCRIPTION: _MARK}
    if not writes([_tool(described, described)], further):
        return ToolForm(needs_functions=needs_functions)
    return ToolForm(
        takes_bare_tools=writes([_tool({}, described)], further),
        takes_bare_parameters=writes([_tool(described, {})], further),
        takes_null_types=writes([_tool(described, {**described, "type": ["string", "null"]})], further),
        takes_open_objects=writes([_tool(described, {**described, "type": "object"})], further),
        no_parameters=_find_no_parameters(writes, further),
        needs_functions=needs_functions,
    )


def _find_no_parameters(
    writes: Callable[[Sequence[Tool], Mapping[str, Any]], bool], further: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    bare: Tool = {"type": "function", "function": {"name": _MARK, _DESCRIPTION: _MARK}}
    if writes([bare], further):
        return None
    return next((empty for empty in _NO_PARAMETERS if writes([_with_parameters(bare, empty)], further)), None)


def _tool(about: Mapping[str, Any], about_parameter: Mapping[str, Any]) -> Tool:
    properties = {"key": {"type": "string", **about_parameter}}
    parameters = {"type": "object", "properties": properties, "required": ["key"]}
    return {"type": "function", "function": {"name": _MARK, **about, _PARAMETERS: parameters}}


def _function(tool: Tool) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else {}


def _with_function(tool: Tool, function: Mapping[str, Any]) -> Tool:
    return {**tool, "function": function} if function else tool


def _with_parameters(tool: Tool, parameters: Mapping[str, Any]) -> Tool:
    function = _function(tool)
    has_some = function.get(_PARAMETERS) is not None
    return tool if has_some or not function else _with_function(tool, {**function, _PARAMETERS: parameters})


def _described(tool: Tool) -> Tool:
    function = _function(tool)
    described = {
        "name": function.get("name"),
        _DESCRIPTION: function.get(_DESCRIPTION) or "",
        **{key: value for key, value in function.items() if key not in ("name", _DESCRIPTION)},
    }
    return _with_function(tool, described if function else function)


def _with_described_parameters(function: Mapping[str, Any]) -> Mapping[str, Any]:
    parameters = function.get(_PARAMETERS)
    properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
    if not isinstance(parameters, Mapping) or not isinstance(properties, Mapping):
        return function
    described = {
        name: {**about, _DESCRIPTION: about.get(_DESCRIPTION) or ""} if isinstance(about, Mapping) else about
        for name, about in properties.items()
    }
    return {**function, _PARAMETERS: {**parameters, "properties": described}}
