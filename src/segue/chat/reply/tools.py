"""The tools on offer, and the names, keys and value types that their schemas allow."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from segue.chat.reply.values import from_text, is_of, literal

_SCALARS: Final = frozenset({"boolean", "integer", "number", "null"})
ANY: Final = "any"
"""Represents an option that does not name its type."""
_PYTHON: Final = {"True": True, "False": False, "None": None}
_PREFIXES: Final = ("functions.", "tools.", "default_api.", "call:")
_NAME: Final = re.compile(r"\w(?:[\w.:/-]*\w)?")
_MAX_DEPTH = 8

Schema = Mapping[str, Any]


class Tools:
    """Tells which tools a reply may call, with which arguments. A schema that states nothing allows everything."""

    def __init__(self, tools: Sequence[Mapping[str, Any]]) -> None:
        self._schemas: dict[str, Schema] = {}
        for tool in tools:
            function = tool.get("function", tool)
            if isinstance(function, Mapping) and isinstance(function.get("name"), str):
                parameters = function.get("parameters")
                self._schemas[function["name"]] = parameters if isinstance(parameters, Mapping) else {}

    def offers(self, name: str) -> bool:
        """Whether a tool of this name is on offer; always true if no tools are known."""
        return not self._schemas or name in self._schemas

    def may_be(self, name: str) -> bool:
        """Whether a call may mean a tool of this name: one on offer, or at least text that looks like a name."""
        return name in self._schemas or _NAME.fullmatch(name) is not None

    def is_known(self, name: str) -> bool:
        """Whether a tool of this name is certainly on offer."""
        return name in self._schemas

    def schema(self, name: object) -> Schema:
        """The schema of a tool on offer. Raises `ValueError` for any other name."""
        if not isinstance(name, str) or not self.offers(self.resolved(name)):
            raise ValueError(f"{name} is not on offer")
        return self._schemas.get(self.resolved(name), {})

    def resolved(self, name: str) -> str:
        """The name of the tool that is meant: without a prefix of the notation if only that name is on offer."""
        if name in self._schemas:
            return name
        bare = (name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix))
        return next((short for short in bare if short in self._schemas), name)

    def knows(self, name: str, key: str) -> bool:
        """Whether the schema of a tool has the key; where it lists none, it may have any."""
        properties = self._properties(name)
        return not properties or key in properties

    def lists(self, name: str, key: str) -> bool:
        """Whether the schema of a tool lists the key."""
        return key in self._properties(name)

    def forbids(self, name: str, key: str) -> bool:
        """Whether the schema of a tool rules the key out."""
        schema = self._schemas.get(name, {})
        return not is_open(schema) and key not in properties_of(schema)

    def required(self, name: str) -> Sequence[str]:
        """The keys that a call must have."""
        keys = self._schemas.get(name, {}).get("required")
        return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []

    def is_scalar(self, name: str, key: str) -> bool:
        """Whether a parameter is a number, a boolean or null, so that its value can hold no markers."""
        types = self._types(name, key)
        return bool(types) and types <= _SCALARS

    def is_text(self, name: str, key: str) -> bool:
        """Whether the value of a parameter is certainly a string."""
        return self._types(name, key) - {ANY} == {"string"}

    def takes_text(self, name: str, key: str) -> bool:
        """Whether the value of a parameter may be a string."""
        types = self._types(name, key)
        return not types or bool(types & {"string", ANY})

    def accepts(self, name: str, key: str, value: Any) -> bool:
        """Whether the value is of a type that the parameter allows."""
        types = self._types(name, key)
        return not types or ANY in types or any(is_of(value, kind) for kind in types)

    def typed(self, name: str, key: str, text: str) -> Any:
        """The value of `text` as parameter `key` of the tool `name`."""
        types = self._types(name, key) - {ANY}
        if types == {"string"}:
            return text
        value = from_text(text)
        if not types:
            return value
        if any(is_of(value, kind) for kind in types - {"string"}):
            return value
        if text.strip() in _PYTHON and any(is_of(_PYTHON[text.strip()], kind) for kind in types):
            return _PYTHON[text.strip()]
        if "string" in types:
            return text
        return literal(text) if value is text else value

    def _properties(self, name: str) -> Schema:
        return properties_of(self._schemas.get(name, {}))

    def _types(self, name: str, key: str) -> frozenset[str]:
        return types_of(self._properties(name).get(key))


def properties_of(schema: Schema) -> Schema:
    """The properties that the schema of an object lists."""
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def is_open(schema: Schema) -> bool:
    """Whether the schema of an object allows properties that it does not list."""
    return schema.get("additionalProperties") is not False or bool(schema.get("patternProperties"))


def types_of(schema: Any) -> frozenset[str]:
    """The types that a schema allows, with `ANY` for options that name none; empty if the schema does not say."""
    return frozenset(_type_names(schema, _MAX_DEPTH))


def _type_names(schema: Any, depth: int) -> Iterator[str]:
    """The names of the types that a schema allows; none if the schema does not say."""
    if not isinstance(schema, Mapping) or depth == 0:
        return
    kind = schema.get("type")
    for name in [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else []:
        if isinstance(name, str):
            yield name
    for group in ("anyOf", "oneOf", "allOf"):
        options = schema.get(group)
        for option in options if isinstance(options, list) else []:
            yield from frozenset(_type_names(option, depth - 1)) or (ANY,)
    choices = schema.get("enum")
    if kind is None and isinstance(choices, list) and all(isinstance(choice, str) for choice in choices):
        yield "string"
