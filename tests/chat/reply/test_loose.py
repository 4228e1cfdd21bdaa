"""Arguments in a careless notation: one reading, or none."""

from typing import Any

import pytest

from segue.chat.reply.family import JsonForm
from segue.chat.reply.loose import LooseParser
from segue.chat.reply.tools import Tools
from tests.chat.reply.kit import refuses, tool

SCHEMA: dict[str, Any] = {
    "properties": {
        "text": {"type": "string"},
        "number": {"type": "integer"},
        "list": {"type": "array", "items": {"type": "string"}},
        "object": {"type": "object", "properties": {"text": {"type": "string"}}},
    }
}
TOOLS = Tools([{"function": {"name": "f", "parameters": SCHEMA}}, tool("g")])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        ("{text: a, number: 1}", {"text": "a", "number": 1}),
        ("{text = 5}", {"text": "5"}),
        ("{'text': 'a', \"number\": -1,}", {"text": "a", "number": -1}),
        ("{text: 'a' number: 1}", {"text": "a", "number": 1}),
        ("{text: 'say \"b\"'}", {"text": 'say "b"'}),
        ('{text: "say "b" and so"}', {"text": 'say "b" and so'}),
        (r"{text: 'a\'b\n\u00e9\d'}", {"text": "a'b\né\\d"}),
        ("{text: 'it's a, b: c', number: 2}", {"text": "it's a, b: c", "number": 2}),
        ("{list: [a, 'b', \"c\"]}", {"list": ["a", "b", "c"]}),
        ("{object: {text: a, b: c}}", {"object": {"text": "a, b: c"}}),
        ("{<|>text<|>: <|>a<|>}", {"text": "a"}),
        ("{text: <|>a {b: <|>c<|>} d<|>, number: 1}", {"text": "a {b: <|>c<|>} d", "number": 1}),
    ],
)
def test_objects(text: str, value: Any) -> None:
    assert LooseParser(text, quote="<|>").object(SCHEMA) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text: a}",
        "{text: a",
        "{text: a} b",
        "{text: }",
        "{text}",
        "{number: a}",
        "{number: 1.5}",
        "{other: 1}",
        "{text: a, text: b}",
        "{text: a, number 1}",
        "{text: a', number: 1}",
        "{text: 'a', number: 1'}",
        "{text: 'a}",
        "{list: ['a' 'b']}",
        "{list: ['a']",
        "{object: {other: a}}",
        "{text: <|>a <|> b<|>}",
        "{list: " + "[" * 100 + "]" * 100 + "}",
    ],
)
def test_what_is_in_doubt_is_refused(text: str) -> None:
    assert refuses(LooseParser(text, quote="<|>").object, SCHEMA)


def test_other_keys_count_where_they_may() -> None:
    text = "{text: 'a', 'other': 1}"
    assert refuses(LooseParser(text).object, SCHEMA)
    assert LooseParser(text, is_open=True).object(SCHEMA) == {"text": "a", "other": 1}
    assert refuses(LooseParser(text, is_open=True).object, SCHEMA | {"additionalProperties": False})


def test_calls() -> None:
    calls = [("f", {"text": "a", "number": 1}), ("g", {})]
    assert LooseParser("[f(text: 'a', number=1), g()]").functions(TOOLS) == calls
    objects = "[{name: f, arguments: {text: a, number: 1}}, {'name'='g', 'arguments'={}}]"
    assert LooseParser(objects).named_objects(JsonForm(), TOOLS) == calls
    assert refuses(LooseParser("[h()]").functions, TOOLS)
    assert refuses(LooseParser("[f() g()]").functions, TOOLS)
    assert refuses(LooseParser("{arguments: {text: a}, name: f}").named_objects, JsonForm(), TOOLS)
