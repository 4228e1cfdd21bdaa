"""Plain text gets the type that the schema allows."""

from typing import Any

import pytest

from segue.chat.reply.tools import Tools
from segue.chat.reply.values import from_json, to_json
from tests.chat.reply.kit import refuses, tool

TOOLS = Tools(
    [
        tool(
            "f",
            text={"type": "string"},
            name={"enum": ["1", "2"]},
            number={"type": "number"},
            flag={"type": "boolean"},
            either={"anyOf": [{"type": "string"}, {"type": "integer"}]},
            maybe={"type": ["string", "null"]},
            items={"type": "array"},
            free={},
        )
    ]
)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("text", "1", "1"),
        ("text", " null\n", " null\n"),
        ("name", "1", "1"),
        ("number", "1e3", 1000.0),
        ("number", "-7", -7),
        ("number", "many", "many"),
        ("flag", "true", True),
        ("flag", "False", False),
        ("flag", "1", 1),
        ("either", "5", 5),
        ("either", "five", "five"),
        ("maybe", "null", None),
        ("maybe", "None", None),
        ("maybe", "12", "12"),
        ("items", "[1, 2]", [1, 2]),
        ("items", "['a', None]", ["a", None]),
        ("items", "['a'", "['a'"),
        ("free", "007", "007"),
        ("free", "7", 7),
        ("unknown", '{"a": 1}', {"a": 1}),
    ],
)
def test_types(key: str, text: str, value: Any) -> None:
    typed = TOOLS.typed("f", key, text)
    assert typed == value
    assert type(typed) is type(value)


def test_offers() -> None:
    assert TOOLS.offers("f")
    assert not TOOLS.offers("g")
    assert Tools([]).offers("g")


@pytest.mark.parametrize("text", ["NaN", "1e999", "{", "[" * 100_000 + "]" * 100_000, ""])
def test_no_json(text: str) -> None:
    assert refuses(from_json, text)


def test_what_is_written_can_be_sent() -> None:
    assert to_json("é\n") == '"é\\n"'
    assert to_json(from_json('"\\ud800"')) == '"\\ud800"'
    assert refuses(to_json, {1, 2})
