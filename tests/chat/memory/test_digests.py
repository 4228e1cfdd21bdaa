"""What messages say, however it is written."""

from typing import Any

import pytest

from segue.chat.memory.digests import extended, meaning
from segue.chat.reply.whole import Whole


def call(arguments: object) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}


@pytest.mark.parametrize("other", ['{"b":[1,2],"a":"\\u00e9"}', {"a": "é", "b": [1, 2]}, ' {"b": [1, 2], "a": "é"} '])
def test_spacing_order_and_escapes_mean_nothing(other: object) -> None:
    assert extended(b"", call('{"a": "é", "b": [1, 2]}')) == extended(b"", call(other))


def test_no_arguments_are_an_empty_object() -> None:
    assert extended(b"", call(" ")) == extended(b"", call({}))


@pytest.mark.parametrize("other", ['{"a": 2}', '{"a": "1"}', '{"a": 1', "", "[1]"])
def test_other_arguments_are_others(other: object) -> None:
    assert extended(b"", call('{"a": 1}')) != extended(b"", call(other))


def test_arguments_may_be_nested_however_deep() -> None:
    for depth in (*range(900, 1000), 100_000):
        text = "[" * depth + "]" * depth
        assert extended(b"", call(text)) != extended(b"", call(f"{text} "[1:]))
        assert meaning(Whole("", "", (("f", text),))) == meaning(Whole("", "", (("f", text),)))
