"""What schemas say about names, keys and types, and the types that plain text gets by them."""

from typing import Any

import pytest

from segue.chat.reply.tools import Tools
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
            other={"anyOf": [{"type": "null"}, {"$ref": "#/x"}]},
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


def test_names() -> None:
    tools = Tools([tool("f"), tool("call:g")])
    names = ["f", "functions.f", "call:f", "call:g", "functions.h", "h"]
    assert [tools.resolved(name) for name in names] == ["f", "f", "f", "call:g", "functions.h", "h"]
    assert tools.may_be("h.i-j")
    assert not tools.may_be("`h")
    assert not tools.may_be("functions.")
    assert Tools([tool("`h")]).may_be("`h")
    assert refuses(tools.schema, "h")
    assert Tools([]).schema("h") == {}


def test_keys() -> None:
    assert TOOLS.knows("f", "text")
    assert not TOOLS.knows("f", "else")
    assert TOOLS.knows("g", "else")
    assert not TOOLS.forbids("f", "else")
    strict = tool("f", a={})
    strict["function"]["parameters"] |= {"additionalProperties": False, "required": ["a"]}
    assert Tools([strict]).forbids("f", "b")
    assert not Tools([strict]).forbids("f", "a")
    assert list(Tools([strict]).required("f")) == ["a"]


@pytest.mark.parametrize(
    ("key", "is_scalar", "takes_text"),
    [
        ("text", False, True),
        ("name", False, True),
        ("number", True, False),
        ("flag", True, False),
        ("either", False, True),
        ("items", False, False),
        ("free", False, True),
        ("unknown", False, True),
        ("other", False, True),
    ],
)
def test_kinds_of_values(key: str, is_scalar: bool, takes_text: bool) -> None:
    assert TOOLS.is_scalar("f", key) == is_scalar
    assert TOOLS.takes_text("f", key) == takes_text
