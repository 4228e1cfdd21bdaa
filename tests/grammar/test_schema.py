"""Which JSON schemas are taken, and what is said of the others."""

import json
from typing import Any

import pytest
from llguidance import LLMatcher

from segue.grammar.constraint import from_schema
from segue.grammar.errors import ConstraintError
from segue.grammar.schema import MAX_SCHEMA_BYTES, MAX_SEARCH_CHARS, checked_schema
from tests.grammar.walk import COMPILER, follow


def in_object(schema: object, **more: object) -> dict[str, object]:
    return {"type": "object", "properties": {"a": schema}, "required": ["a"], **more}


def nested(n: int) -> dict[str, object]:
    schema: dict[str, object] = {"type": "string"}
    for _ in range(n):
        schema = {"type": "array", "items": schema}
    return schema


IMPOSSIBLE = {"type": "integer", "minimum": 5, "maximum": 3}


@pytest.mark.parametrize(
    ("schema", "parts"),
    [
        ([1], ["a JSON schema is an object"]),
        ("x", ["a JSON schema is an object"]),
        (False, ["no value satisfies false"]),
        (in_object({"type": "strange"}), ["strange", "(at /properties/a)"]),
        (in_object({"items": {"type": "strange"}}), ["(at /properties/a/items)"]),
        (in_object({"anyOf": [{}, {"type": "strange"}]}), ["(at /properties/a/anyOf/1)"]),
        (in_object({"$ref": "#/$defs/x~1y"}, **{"$defs": {"x/y": {"type": "no"}}}), ["(at /$defs/x~1y)"]),
        (in_object({"$ref": "#/$defs/gone"}), ["/$defs/gone"]),
        (in_object({"not": {}}), ["not", "(at /properties/a)", "lenient"]),
        (in_object({"uniqueItems": True}), ["uniqueItems", "(at /properties/a)"]),
        (in_object(IMPOSSIBLE), ["minimum (5)", "maximum (3)", "(at /properties/a)"]),
        (in_object(in_object(IMPOSSIBLE)), ["(at /properties/a/properties/a)"]),
        ({"allOf": [{"type": "string"}, IMPOSSIBLE]}, ["nsatisfiable"]),
        ({"enum": []}, ["nsatisfiable"]),
        ({"type": "string", "pattern": "(?=x)y"}, ["look-around"]),
        ({"type": "string", "pattern": "("}, ["unclosed group"]),
        ({"properties": 3}, ["properties"]),
        ({"$ref": "http://example.com/schema"}, ["http://example.com/schema"]),
        ({"x-guidance": 3}, ["3"]),
        (nested(500), ["100 levels", "(at /items/items"]),
        ({"enum": list(range(1_000_000))}, ["20000 values", "(at /enum)"]),
        ({"properties": {f"k{i}": {"type": "string"} for i in range(12_000)}}, ["20000 values", "(at /properties/"]),
        ({"const": "x" * 10_000_000}, ["524288 are allowed"]),
        ({"allOf": [{"anyOf": [{"properties": {f"{i}.{j}": {}}} for j in range(10)]} for i in range(90)]}, ["large"]),
    ],
)
def test_what_is_refused_says_where(schema: object, parts: list[str]) -> None:
    with pytest.raises(ConstraintError) as caught:
        checked_schema(schema)
    assert len(str(caught.value)) < 500
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize(("n_properties", "place"), [(2_000, "/properties/last"), (9_000, "")])
def test_the_search_for_the_place_of_a_fault_has_an_end(
    n_properties: int, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    n_chars = 0

    class Matcher:
        @staticmethod
        def validate_grammar(source: str) -> str:
            nonlocal n_chars
            n_chars += len(source)
            return LLMatcher.validate_grammar(source)

    monkeypatch.setattr("segue.grammar.schema.LLMatcher", Matcher)
    properties: dict[str, Any] = {f"k{i}": {} for i in range(n_properties)}
    with pytest.raises(ConstraintError, match="strange") as caught:
        checked_schema({"properties": {**properties, "last": {"type": "strange"}}})
    assert str(caught.value) == f"Invalid type: strange{place and f' (at {place})'}"
    assert n_chars < MAX_SCHEMA_BYTES + MAX_SEARCH_CHARS


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "http://json-schema.org/draft-07/schema#", "$id": "https://example.com/x", "title": "t"},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "description": "d", "default": 1, "examples": [1]},
        {"type": "integer", "format": "int64", "x-order": 3, "deprecated": True},
        {"oneOf": [{"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"b": {}}}]},
        in_object({"$ref": "#"}, additionalProperties=False, required=[]),
        nested(40),
    ],
)
def test_what_is_taken(schema: dict[str, Any]) -> None:
    before = json.dumps(schema)
    COMPILER.compile(from_schema(schema))
    assert json.dumps(schema) == before


def test_an_unknown_format_is_a_remark_but_its_name_may_be_a_propertys() -> None:
    schema = in_object({"type": "string", "format": "odd"}) | {"properties": {"format": {"const": "odd"}}}
    taken = checked_schema({"type": "array", "items": schema} | {"prefixItems": [{"type": "string", "format": "date"}]})
    assert taken["items"]["properties"] == {"format": {"const": "odd"}}
    assert taken["prefixItems"][0]["format"] == "date"


def test_a_lenient_schema_passes_over_what_cannot_be_enforced() -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    for lenient in (from_schema(schema, is_lenient=True), from_schema(schema | {"x-guidance": {"lenient": True}})):
        assert follow(lenient, "[1, 1]") == "whole"
        assert follow(lenient, '["').startswith("stuck")


@pytest.mark.parametrize(
    ("schema", "follows", "does_not"),
    [
        ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, '{"a": 1}', "7"),
        ({"properties": {}}, "{}", "true"),
        ({"required": ["a"]}, '{"a": 1}', "null"),
        ({"additionalProperties": {"type": "integer"}}, '{"x": 1}', "1"),
        ({"items": {"type": "integer"}}, "[1, 2]", "true"),
        ({"prefixItems": [{"type": "integer"}]}, "[1]", '"a"'),
        (in_object({"properties": {"b": {"type": "null"}}}), '{"a": {"b": null}}', '{"a": 3}'),
        (in_object({"items": {}}), '{"a": [null]}', '{"a": "x"}'),
        ({"anyOf": [{"type": "null"}, {"properties": {}}]}, "null", "3"),
        (in_object({}), '{"a": 3}', "[]"),
        (in_object({"properties": {}, "enum": [1]}), '{"a": 1}', '{"a": {}}'),
    ],
)
def test_what_describes_an_object_or_an_array_makes_one(schema: object, follows: str, does_not: str) -> None:
    constraint = from_schema(schema)
    assert follow(constraint, follows) == "whole"
    assert follow(constraint, does_not).startswith("stuck")
