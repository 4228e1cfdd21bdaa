"""JSON schemas: which are taken, and how they are brought into the form that llguidance reads."""

import json
from collections.abc import Mapping
from typing import Any

from llguidance import LLMatcher

from segue.grammar.errors import ConstraintError, plain
from segue.grammar.subschemas import JsonSchema, pointer, subschemas

MAX_SCHEMA_BYTES = 512 << 10
MAX_VALUES = 20_000
MAX_DEPTH = 100
MAX_SEARCH_CHARS = 512 << 10
"""The most of a faulty schema's parts that llguidance reads to find the place of the fault."""

# As many blanks as llama.cpp allows: a model that likes them would else never come to an end.
_OPTIONS: dict[str, Any] = {"whitespace_pattern": r"[ \t\n\r]{1,22}", "coerce_one_of": True}
# The formats that can be enforced. Any other is a remark, says JSON Schema.
_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
# A schema that lists properties means an object, though by JSON Schema a number fits it too; as in llama.cpp.
_DESCRIBES = {
    "object": {"properties", "required", "additionalProperties", "patternProperties"},
    "array": {"items", "prefixItems"},
}
_SAYS_WHICH = {"type", "$ref", "enum", "const"}
_HELP = '; "x-guidance": {"lenient": true} in the schema passes over what cannot be enforced'


def checked_schema(schema: object, *, is_lenient: bool = False) -> dict[str, Any]:
    """A schema for llguidance, with options of its own kept; changes nothing.

    Raises ConstraintError with the place as a JSON pointer.
    """
    if schema is True:
        schema = {"type": ["object", "array", "string", "number", "boolean", "null"]}
    if not isinstance(schema, dict):
        raise ConstraintError("a JSON schema is an object" if schema is not False else "no value satisfies false")
    _check_size(schema)
    n_bytes = len(json.dumps(schema))
    if n_bytes > MAX_SCHEMA_BYTES:
        raise ConstraintError(f"the schema has {n_bytes} bytes, and {MAX_SCHEMA_BYTES} are allowed")
    taken = _adapted(schema or {"type": "object"})
    options = {**_OPTIONS, "lenient": is_lenient}
    own = schema.get("x-guidance")
    taken["x-guidance"] = {**options, **own} if isinstance(own, dict) else own or options
    fault = _fault(_source(taken))
    if fault:
        where, fault = _innermost(taken, fault)
        raise ConstraintError(f"{fault}{f' (at {where})' if where else ''}{_HELP if 'Unimplemented' in fault else ''}")
    return taken


def _check_size(schema: JsonSchema) -> None:
    """Bound nesting and number of values, without recursion of one's own."""
    stack: list[tuple[object, tuple[str, ...], int]] = [(schema, (), 1)]
    n_values = 0
    while stack:
        value, path, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise ConstraintError(f"more than {MAX_DEPTH} levels of nesting (at {pointer(path)}/...)")
        inner: list[tuple[object, object]] = []
        if isinstance(value, dict):
            inner = list(value.items())
        elif isinstance(value, list):
            inner = list(enumerate(value))
        n_values += len(inner)
        if n_values > MAX_VALUES:
            where = f" (at {pointer(path)})" if path else ""
            raise ConstraintError(f"the schema has more than {MAX_VALUES} values{where}")
        stack += [(part, (*path[:5], str(key)[:50]), depth + 1) for key, part in inner]


def _adapted(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A copy without unknown formats, in which what describes an object or an array is of that type."""
    taken: dict[str, Any] = json.loads(json.dumps(schema))
    stack: list[Any] = [taken]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            if isinstance(part.get("format"), str) and part["format"] not in _FORMATS:
                del part["format"]
            if part.keys().isdisjoint(_SAYS_WHICH):
                part |= next(({"type": kind} for kind, keys in _DESCRIBES.items() if keys & part.keys()), {})
            stack += [inner for _, inner in subschemas(part)]
    return taken


def _source(schema: object) -> str:
    """A schema as llguidance reads it."""
    return json.dumps({"grammars": [{"json_schema": schema}]})


def _fault(source: str) -> str:
    """llguidance's objection to a schema, empty if it has none."""
    return plain(LLMatcher.validate_grammar(source))


def _innermost(schema: JsonSchema, fault: str) -> tuple[str, str]:
    """Place and message of the smallest part of a schema that has the fault by itself, or makes the whole have it."""
    around = {key: schema[key] for key in ("$defs", "definitions", "x-guidance") if key in schema}
    path: tuple[str, ...] = ()
    part: Any = schema
    n_chars = 0
    while True:
        for step, inner in subschemas(part):
            if not isinstance(inner, dict):
                continue
            source = _source({**around, **inner})
            n_chars += len(source)
            if n_chars > MAX_SEARCH_CHARS:
                return pointer(path), fault
            own = _fault(source)
            if own == fault or (own.startswith("Unsatisfiable") and _is_binding(part, step)):
                path, part, fault = (*path, *step), inner, own
                break
        else:
            return pointer(path), fault


def _is_binding(schema: JsonSchema, step: tuple[str, ...]) -> bool:
    """Whether no value satisfies a schema if none satisfies this part of it."""
    required = schema.get("required")
    return step[0] == "allOf" or (step[0] == "properties" and isinstance(required, list) and step[1] in required)
