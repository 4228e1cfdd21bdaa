"""Tools in the order in which they were first sent."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from segue.chat.memory.side_store import SideStore
from segue.chat.memory.tool_order import ToolOrder

LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Looks.",
        "parameters": {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {
                "where": {"type": "string", "description": "Dörthin.", "enum": ["up", "down"]},
                "at": {"type": "object", "properties": {"x": {"type": "number", "maximum": 1.5}, "y": {}}},
                "properties": {"type": "integer", "maximum": 9007199254740991},
            },
            "required": ["where"],
            "additionalProperties": False,
        },
    },
}
OPEN = {"type": "function", "function": {"name": "open", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [LOOK, OPEN]


@pytest.fixture
def order() -> Iterator[ToolOrder]:
    side_store = SideStore(None, 1 << 20)
    yield ToolOrder(side_store)
    side_store.close()


def shuffled(value: Any, seed: int) -> Any:
    """The same value with the keys of all objects in another order, but for those of properties."""
    draw = random.Random(seed)

    def mixed(value: Any, *, is_fixed: bool = False) -> Any:
        if isinstance(value, list):
            return [mixed(inner) for inner in value]
        if not isinstance(value, dict):
            return value
        items = [(key, mixed(inner, is_fixed=key == "properties" and not is_fixed)) for key, inner in value.items()]
        return dict(items if is_fixed else draw.sample(items, len(items)))

    return mixed(value)


def text(tools: Any) -> str:
    return json.dumps(list(tools))


@pytest.mark.parametrize("seed", range(8))
def test_another_order_of_keys_and_of_tools_becomes_the_first_one(order: ToolOrder, seed: int) -> None:
    assert order.first("", TOOLS) is TOOLS
    other = [shuffled(OPEN, seed), shuffled(LOOK, seed)]
    assert text(other) != text(TOOLS)
    assert text(order.first("", other)) == text(TOOLS)
    assert text(order.first("", TOOLS)) == text(TOOLS)


def test_the_first_one_may_be_any(order: ToolOrder) -> None:
    other = [shuffled(OPEN, 1), shuffled(LOOK, 1)]
    assert text(order.first("", other)) == text(other)
    assert text(order.first("", TOOLS)) == text(other)


def with_parameters(**changes: Any) -> list[dict[str, Any]]:
    function: dict[str, Any] = LOOK["function"]  # type: ignore[assignment]
    return [{**LOOK, "function": {**function, "parameters": {**function["parameters"], **changes}}}, OPEN]


PROPERTIES: dict[str, Any] = LOOK["function"]["parameters"]["properties"]  # type: ignore[index]


@pytest.mark.parametrize(
    "other",
    [
        with_parameters(properties=dict(reversed(PROPERTIES.items()))),
        with_parameters(properties={**PROPERTIES, "at": {"type": "object", "properties": {"y": {}, "x": {}}}}),
        with_parameters(required=["where", "at"]),
        with_parameters(properties={**PROPERTIES, "where": {"type": "string", "enum": ["down", "up"]}}),
        [LOOK],
        [LOOK, OPEN, OPEN],
    ],
    ids=["properties", "inner properties", "required", "enum", "fewer", "more"],
)
def test_other_tools_stay_as_they_are(order: ToolOrder, other: list[dict[str, Any]]) -> None:
    order.first("", TOOLS)
    assert text(order.first("", other)) == text(other)
    assert text(order.first("", TOOLS)) == text(TOOLS)


def test_namespaces_know_nothing_of_each_other(order: ToolOrder) -> None:
    order.first("a", TOOLS)
    other = [OPEN, LOOK]
    assert text(order.first("b", other)) == text(other)


def test_what_is_nested_too_deeply_stays_as_it_is(order: ToolOrder) -> None:
    nested: dict[str, Any] = {}
    for _ in range(20_000):
        nested = {"a": nested}
    tools = [nested]
    assert order.first("", tools) is tools


def test_numbered_names_are_not_taken_for_an_order(order: ToolOrder) -> None:
    one: list[dict[str, Any]] = [{"properties": {"a": {}, "b": {}}}]
    order.first("", one)
    other: list[dict[str, Any]] = [{"properties": {"0 a": {}, "1 b": {}}}]
    assert order.first("", other) == other
    odd: list[dict[str, Any]] = [{"properties": [["a", {}]]}, {"function": None}]
    assert order.first("", odd) == odd
