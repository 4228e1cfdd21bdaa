"""Client messages in the form that a template takes."""

from typing import Any

import pytest

from segue.chat.template.dialect import Dialect
from segue.chat.template.messages import shape
from segue.chat.template.order import Order
from segue.chat.template.sandbox import TemplateError


def shaped(message: dict[str, Any], **dialect: Any) -> dict[str, Any]:
    return shape([message], Dialect(**dialect)).messages[0]


def call(arguments: object) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}


def arguments_of(message: dict[str, Any]) -> object:
    return message["tool_calls"][0]["function"]["arguments"]


def test_messages_are_objects() -> None:
    with pytest.raises(TemplateError, match="object"):
        shape(["hello"], Dialect())  # type: ignore[list-item]


def test_parts_where_the_template_wants_them() -> None:
    assert shaped({"role": "user", "content": "a"}, takes_parts=True)["content"] == [{"type": "text", "text": "a"}]


def test_null_content() -> None:
    assert shaped(call("{}"))["content"] == ""
    assert shaped(call("{}"), takes_null_content=True)["content"] is None
    assert shaped({"role": "assistant", "content": None}, takes_null_content=True)["content"] == ""


def test_arguments_become_objects() -> None:
    assert arguments_of(shaped(call('{"b": 1, "a": [2]}'))) == {"b": 1, "a": [2]}
    assert arguments_of(shaped(call(" "))) == {}
    for nothing in ("null", None):
        assert arguments_of(shaped(call(nothing))) == {}
    strict = Order(takes_text_arguments=False)
    for text in ("{broken", "[1]", '"x"', "[" * 100_000):
        assert arguments_of(shaped(call(text))) == text
        assert arguments_of(shaped(call(text), order=strict)) == {"arguments": text}


def test_arguments_become_text() -> None:
    assert arguments_of(shaped(call({"a": "é"}), takes_objects=False)) == '{"a": "é"}'
    assert arguments_of(shaped(call("{ }"), takes_objects=False)) == "{ }"
    assert arguments_of(shaped(call(None), takes_objects=False)) == "{}"


def test_a_call_without_a_type_is_one_of_a_function() -> None:
    assert shaped(call("{}"))["tool_calls"][0]["type"] == "function"


def test_what_is_no_function_call_passes() -> None:
    message = {"role": "assistant", "content": "", "tool_calls": ["x", {"custom": 1}]}
    assert shaped(message)["tool_calls"] == ["x", {"custom": 1}]


def test_nothing_of_the_client_is_changed() -> None:
    message = call('{"a": 1}')
    conversation = shape([message], Dialect())
    assert arguments_of(message) == '{"a": 1}'
    assert message["content"] is None
    assert conversation.messages[0] is not message


def test_null_fields_and_empty_calls_are_left_out() -> None:
    message: dict[str, Any] = {"role": "assistant", "content": "a", "refusal": None, "tool_calls": [], "name": "n"}
    assert shaped(message) == {"role": "assistant", "content": "a", "name": "n"}


def test_developer() -> None:
    message = {"role": "developer", "content": "a"}
    assert shaped(message)["role"] == "system"
    assert shaped(message, takes_developer=True)["role"] == "developer"


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning", "thinking"])
def test_reasoning_goes_where_the_template_looks(field: str) -> None:
    message = shaped({"role": "assistant", "content": "a", field: "hm"}, reasoning_field="thinking")
    assert message == {"role": "assistant", "content": "a", "thinking": "hm"}
    parts = {"role": "assistant", field: [{"type": "text", "text": "hm"}]}
    assert shaped(parts, reasoning_field="thinking")["thinking"] == "hm"


def test_a_call_gives_up_its_text_for_its_thought() -> None:
    message: dict[str, Any] = {**call("{}"), "content": "text", "reasoning": "hm"}
    assert "content" not in shaped(message, takes_thought_and_text=False)
    assert shaped(message)["content"] == "text"
    assert shaped({**message, "reasoning": None}, takes_thought_and_text=False)["content"] == "text"


def test_a_system_prompt_joins_the_next_message() -> None:
    messages = [
        {"role": "system", "content": "S"},
        {"role": "developer", "content": "D"},
        {"role": "user", "content": "U"},
    ]
    conversation = shape(messages, Dialect(takes_system=False))
    assert conversation.messages == [{"role": "user", "content": "S\nD\nU"}]
    assert conversation.origins == (2,)
    assert conversation.leading == ("S", "D")
    assert conversation.own_text(0) == "U"
    assert conversation.with_mark("#", [0]) == [{"role": "user", "content": "S\nD\n#U"}]
    for others in ([], [{"role": "assistant", "content": "A"}]):
        alone = shape([messages[0], *others], Dialect(takes_system=False))
        assert alone.messages == [{"role": "user", "content": "S\n"}, *others]


def test_a_mark_stands_inside_the_white_space() -> None:
    conversation = shape([{"role": "user", "content": " \n a "}], Dialect())
    assert conversation.with_mark("#", [0])[0]["content"] == " \n #a "
    parts = shape([{"role": "user", "content": "a"}], Dialect(takes_parts=True))
    assert parts.with_mark("#", [0])[0]["content"] == [{"type": "text", "text": "#a"}]
    assert parts.messages[0]["content"] == [{"type": "text", "text": "a"}]
