"""The parts of a JSON schema that are schemas themselves."""

from collections.abc import Iterator, Mapping
from typing import Any

JsonSchema = Mapping[str, Any]

_ONE = ("items", "additionalProperties", "additionalItems", "contains", "not", "if", "then", "else", "propertyNames")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("$defs", "definitions", "properties", "patternProperties", "dependentSchemas")


def subschemas(schema: JsonSchema) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each with its path from `schema`, those that others refer to first. Some of them may not be schemas."""
    for key in _NAMED:
        if isinstance(schema.get(key), dict):
            yield from (((key, str(name)), inner) for name, inner in schema[key].items())
    for key in _ONE:
        if isinstance(schema.get(key), dict):
            yield (key,), schema[key]
    for key in _LISTS:
        if isinstance(schema.get(key), list):
            yield from (((key, str(i)), inner) for i, inner in enumerate(schema[key]))


def pointer(path: tuple[str, ...]) -> str:
    """A path as a JSON pointer, empty for the whole."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in path)
