"""The type of a value that a model wrote as plain text, told by the tool's schema."""

import ast
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_PYTHON = {"True": True, "False": False, "None": None}
_TYPES: dict[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_MAX_DEPTH = 8
_MAX_LITERAL_CHARS = 10_000


class Tools:
    """What the tools on offer are called, and the schemas of their parameters."""

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self._schemas: dict[str, Mapping[str, Any]] = {}
        for tool in tools:
            function = tool.get("function", tool)
            if isinstance(function, Mapping) and isinstance(function.get("name"), str):
                parameters = function.get("parameters")
                properties = parameters.get("properties") if isinstance(parameters, Mapping) else None
                self._schemas[function["name"]] = properties if isinstance(properties, Mapping) else {}

    def offers(self, name: str) -> bool:
        """Whether there is such a tool; any could be where none is known."""
        return not self._schemas or name in self._schemas

    def typed(self, name: str, key: str, text: str) -> Any:
        """The value that `text` stands for as parameter `key` of tool `name`."""
        types = frozenset(_types(self._schemas.get(name, {}).get(key), _MAX_DEPTH))
        if types == {"string"}:
            return text
        value = untyped(text)
        if not types:
            return value
        if any(_is_of(value, kind) for kind in types):
            return value
        if text.strip() in _PYTHON and any(_is_of(_PYTHON[text.strip()], kind) for kind in types):
            return _PYTHON[text.strip()]
        if "string" in types:
            return text
        return _literal(text) if value is text else value


def untyped(text: str) -> Any:
    """The value if `text` is JSON, otherwise the text itself."""
    try:
        return from_json(text)
    except ValueError:
        return text


def from_json(text: str) -> Any:
    """The value of JSON text, in which strings may hold line ends. Raises `ValueError` for any other text."""
    try:
        return json.loads(text, strict=False, parse_constant=_refuse, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def to_json(value: Any) -> str:
    """JSON text of a value. Raises `ValueError` if it has none."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        # half a surrogate pair cannot be sent as it is
        return json.dumps(value)
    except (RecursionError, TypeError) as error:
        raise ValueError(str(error)) from None
    return text


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is too large")
    return value


def _literal(text: str) -> Any:
    """A list or an object as Python writes it, otherwise the text."""
    if text.strip()[:1] not in ("[", "{") or len(text) > _MAX_LITERAL_CHARS or "\\" in text:
        return text
    try:
        value = ast.literal_eval(text.strip())
        to_json(value)
    except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
        return text
    return value


def _is_of(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(kind, ()))


def _types(schema: Any, depth: int) -> Iterator[str]:
    """The names of the types that a schema allows; none if it does not tell."""
    if not isinstance(schema, Mapping) or depth == 0:
        return
    kind = schema.get("type")
    for name in [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []:
        if isinstance(name, str):
            yield name
    for group in ("anyOf", "oneOf", "allOf"):
        options = schema.get(group)
        for option in options if isinstance(options, list) else []:
            yield from _types(option, depth - 1)
    choices = schema.get("enum")
    if kind is None and isinstance(choices, list) and all(isinstance(choice, str) for choice in choices):
        yield "string"
