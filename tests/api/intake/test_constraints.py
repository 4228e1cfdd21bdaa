"""What requests want their replies to be: the five fields, and what is refused."""

import json
from typing import Any

import pytest

from segue.engine.base import Mask
from tests.kit.live import Live

HELLO = [{"role": "user", "content": "Hello"}]
PATHS = ["/v1/chat/completions", "/v1/completions", "/completion"]
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def post(server: Live, path: str, **fields: Any) -> Any:
    return server.post(path, messages=HELLO, prompt="Hello", **fields)


def mask_of(server: Live) -> Mask:
    make = server.loop.jobs[-1].make_mask
    assert make is not None
    return make()


def takes(mask: Mask, text: str) -> bool:
    for token in text.encode():
        if token not in mask.choice().tokens(260):
            return False
        mask.accept(token)
    return 257 in mask.choice().tokens(260)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "right", "wrong"),
    [
        ({"response_format": {"type": "json_object"}}, '{"a": [1]}', "[1]"),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, '{"n": 1}', '{"m": 1}'),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}}, '{"n":1}', "{}"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}, "name": "x"}}}, "{}", "1"),
        ({"json_schema": SCHEMA}, '{"n": -12}', '{"n": "1"}'),
        ({"json_schema": {}}, "{}", "1"),
        ({"json_schema": True}, "1", "x"),
        ({"grammar": 'root ::= "a" b\nb ::= [0-9]'}, "a1", "a"),
        ({"grammar": '%llguidance {}\nstart: "a"'}, "a", "b"),
        ({"regex": "[a-c]+"}, "abc", "abd"),
        ({"lark": 'start: "x" | "y"'}, "y", "z"),
    ],
)
def test_each_field_makes_a_mask(server: Live, path: str, fields: dict[str, Any], right: str, wrong: str) -> None:
    assert post(server, path, **fields).status_code == 200
    assert takes(mask_of(server), right)
    assert not takes(mask_of(server), wrong)


@pytest.mark.parametrize("path", PATHS)
def test_what_asks_for_nothing(server: Live, path: str) -> None:
    nothing: dict[str, Any] = {
        "response_format": {"type": "text"},
        "grammar": "",
        "regex": "",
        "lark": "",
        "json_schema": None,
    }
    cases: tuple[dict[str, Any], ...] = ({}, nothing, {"response_format": None}, {"response_format": {}})
    cases += ({"response_format": {"type": None}}, {"response_format": {"type": ""}})
    for fields in cases:
        assert post(server, path, **fields).status_code == 200
        assert server.loop.jobs[-1].make_mask is None


def test_every_choice_of_every_prompt_has_a_mask_of_its_own(server: Live) -> None:
    n_before = len(server.loop.jobs)
    assert server.post("/v1/completions", prompt=["a", "b"], n=3, regex="ab").status_code == 200
    jobs = server.loop.jobs[n_before:]
    masks = [job.make_mask() for job in jobs if job.make_mask is not None]
    assert len(masks) == 6
    assert all(takes(mask, "ab") for mask in masks)


def nested(n: int) -> dict[str, Any]:
    return {"type": "array", "items": nested(n - 1)} if n else {}


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "parts"),
    [
        ({"json_schema": {}, "grammar": 'root ::= "x"'}, ["json_schema", "grammar", "exclude"]),
        ({"regex": "a", "response_format": {"type": "json_object"}}, ["regex", "response_format", "exclude"]),
        ({"json_schema": 3}, ["json_schema"]),
        ({"json_schema": "{}"}, ["json_schema"]),
        ({"json_schema": False}, ["json_schema", "no value"]),
        ({"json_schema": {"properties": {"a": {"type": "odd"}}}}, ["'json_schema': ", "odd", "/properties/a"]),
        ({"json_schema": {"type": "integer", "minimum": 2, "maximum": 1}}, ["json_schema", "minimum (2)"]),
        ({"json_schema": nested(400)}, ["json_schema", "nesting"]),
        ({"json_schema": {"enum": ["x" * 100] * 100_000}}, ["json_schema", "20000 values"]),
        ({"response_format": {"type": "sound"}}, ["response_format", "json_object"]),
        ({"response_format": {"type": ["json_object"]}}, ["response_format"]),
        ({"response_format": "json_object"}, ["response_format"]),
        ({"response_format": {"type": "json_schema"}}, ["response_format", "json_schema.schema"]),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, ["response_format", "json_schema.schema"]),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": 3}}}, ["response_format", "object"]),
        ({"response_format": {"type": "json_object", "schema": {"not": {}}}}, ["response_format", "not"]),
        ({"grammar": "root ::= x"}, ["grammar", "'x' not found"]),
        ({"grammar": 3}, ["grammar"]),
        ({"regex": "(a"}, ["regex", "unclosed"]),
        ({"lark": "start: x"}, ["lark", "unknown name"]),
    ],
)
def test_what_is_refused_names_the_field(server: Live, path: str, fields: dict[str, Any], parts: list[str]) -> None:
    response = post(server, path, **fields)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["type"]) == (400, 400, "invalid_request_error")
    for part in parts:
        assert part in error["message"]


def test_a_schema_that_is_not_strict_is_taken_as_far_as_it_goes(server: Live) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    for is_strict, status in ((True, 400), (None, 400), (False, 200)):
        described = {"name": "x", "schema": schema, "strict": is_strict}
        fields = {"response_format": {"type": "json_schema", "json_schema": described}}
        assert post(server, PATHS[0], **fields).status_code == status
    assert takes(mask_of(server), "[1, 1]")


def test_the_message_does_not_grow_with_the_request(server: Live) -> None:
    response = post(server, PATHS[0], lark="start: " + "x" * 100_000)
    assert response.status_code == 400
    assert len(json.dumps(response.json())) < 1000
