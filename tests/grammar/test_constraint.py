"""Every kind of constraint, and replies drawn from it at random."""

import json
import re
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from segue.grammar import constraint
from segue.grammar.constraint import from_gbnf, from_lark, from_regex, from_schema
from segue.grammar.errors import ConstraintError
from tests.grammar.walk import follow, matcher, walk

SEEDS = range(20)


class Cat(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)]


class Dog(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    kind: Literal["dog"]
    tricks: Annotated[list[Annotated[str, Field(max_length=5)]], Field(min_length=1, max_length=3)]


class Owner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: Annotated[str, Field(pattern="^[A-Z][a-z]{1,9}$")]
    weight: Annotated[float, Field(ge=0, le=200)]
    pets: Annotated[list[Annotated[Cat | Dog, Field(discriminator="kind")]], Field(max_length=3)]
    note: Annotated[str, Field(max_length=10)] | None


@pytest.mark.parametrize("seed", SEEDS)
def test_a_schema_of_pydantic(seed: int) -> None:
    Owner.model_validate_json(walk(from_schema(Owner.model_json_schema()), seed), strict=True)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_empty_schema_is_any_object(seed: int) -> None:
    assert isinstance(json.loads(walk(from_schema({}), seed)), dict)


def test_true_is_any_value() -> None:
    for text in ("3", "null", '"x"', "[1, {}]"):
        assert follow(from_schema(True), text) == "whole"


def test_properties_come_in_the_order_of_the_schema() -> None:
    schema = {"type": "object", "properties": {"z": {"type": "integer"}, "a": {"type": "integer"}}, "required": ["a"]}
    assert follow(from_schema(schema), '{"z": 1, "a": 2}') == "whole"
    assert follow(from_schema(schema), '{"a": 1, "z": 2}').startswith("stuck")


def test_blanks_are_bounded() -> None:
    assert follow(from_schema({}), "{" + " " * 22 + "}") == "whole"
    assert follow(from_schema({}), "{" + " " * 23 + "}") == "stuck after 23"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("pattern", [r"\d{3}/[a-z]{1,5}", r"(a|bc)+", r"^x?$", r'"\\é[^\x00-\x7f]"', r"[a-z&&[^b]]{2}"])
def test_a_regular_expression(pattern: str, seed: int) -> None:
    assert re.fullmatch(pattern.replace("&&[^b]", ""), walk(from_regex(pattern), seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_lark_grammar(seed: int) -> None:
    grammar = 'start: "(" (start | NUMBER) ")"\nNUMBER: /[0-9]+/'
    said = walk(from_lark(grammar), seed)
    n_deep = said.count("(")
    assert re.fullmatch(r"\(+\d+\)+", said)
    assert said.count(")") == n_deep


def test_text_may_come_before() -> None:
    number = from_regex("[0-9]+")
    for end, controls in (("</think>", {}), ("<|im_start|>", {"<|im_start|>": 258})):
        after = number.after_text(end, controls)
        assert follow(after, f"so, 4 < 5?{end}\n\n42") == "whole"
        assert follow(after, f"{end}42") == "whole"
        assert follow(after, "42") == "open"
        assert follow(after, f"{end}x").startswith("stuck")


@pytest.mark.parametrize(
    ("grammar", "part"),
    [
        ("start: x", 'at 1(8): unknown name: "x"'),
        ('x: "a"', "no start rule"),
        ('start: "a', "1(10): lexer error"),
        ("start: " + "(" * 10_000, "nested"),
    ],
)
def test_what_is_no_lark(grammar: str, part: str) -> None:
    with pytest.raises(ConstraintError, match=re.escape(part)) as caught:
        matcher(from_lark(grammar))
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("pattern", "part"), [("(a", "unclosed group"), ("(?=a)b", "look-around")])
def test_what_is_no_regular_expression(pattern: str, part: str) -> None:
    with pytest.raises(ConstraintError, match=part):
        matcher(from_regex(pattern))


def test_what_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraint, "MAX_GRAMMAR_BYTES", 100)
    for make in (from_regex, from_lark):
        with pytest.raises(ConstraintError, match="100 are allowed"):
            make("é" * 51)


def test_llama_cpps_grammars_are_taken_too() -> None:
    assert follow(from_gbnf('root ::= "a"+'), "aaa") == "whole"
