"""Calls in three notations, and texts that are none."""

import pytest

from segue.chat.reply.family import JsonForm, NamedForm
from segue.chat.reply.notation import Call, bare_arguments, json_calls, python_calls
from tests.chat.reply.kit import refuses

GEMMA = NamedForm(ends=("",), quote="<|>")


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "arguments": {"a": 1}}',
        '{"parameters": {"a": 1}, "name": "f"}',
        '{"name": "f", "arguments": "{\\"a\\": 1}"}',
        '{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}',
        '[{"name": "f", "arguments": {"a": 1}}]',
    ],
)
def test_json(text: str) -> None:
    assert json_calls(text, JsonForm()) == [Call("f", '{"a": 1}')]


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "[1]",
        '{"name": 1}',
        '{"arguments": {}}',
        '{"name": "f", "arguments": [1]}',
        '{"name": "f", "a": 1}',
        '{"name": "f", "arguments": {"a": 1}, "parameters": {"a": 2}}',
        '{"name": "f", "arguments": {"a": 1, "a": 2}}',
    ],
)
def test_no_json_call(text: str) -> None:
    assert refuses(json_calls, text, JsonForm())


def test_an_object_with_no_more_than_a_name_is_a_call_only_where_marked() -> None:
    assert json_calls('{"name": "f"}', JsonForm()) == [Call("f", "{}")]
    assert refuses(json_calls, '{"name": "f"}', JsonForm(first_keys=("name",)))


def test_python() -> None:
    assert python_calls("[f(a='it\\'s', b=[-1, 2.5, None], c={'d': true}), g.h()]") == [
        Call("f", '{"a": "it\'s", "b": [-1, 2.5, null], "c": {"d": true}}'),
        Call("g.h", "{}"),
    ]
    assert python_calls(r"f(pattern='\d+\n')") == [Call("f", r'{"pattern": "\\d+\n"}')]
    assert python_calls("mail(from='a', to='if b=c', class=1)") == [
        Call("mail", '{"from": "a", "to": "if b=c", "class": 1}')
    ]


@pytest.mark.parametrize(
    "text",
    [
        "f",
        "f(1)",
        "f(**a)",
        "f(a=g())",
        "[f(), 1]",
        "f(a=1e999)",
        "f(a={[1]: 2})",
        "f(a={1: 2, 1: 3})",
        "f(a=1, a=2)",
        "f(a='b' 'c')",
        "f(a=" + "-" * 50_000 + "1)",
    ],
)
def test_no_python_call(text: str) -> None:
    assert refuses(python_calls, text)


def test_bare_keys() -> None:
    text = '{a b:<|>{x: "1"}\n<|>,c:[1, {d :true}],"e":null}'
    assert bare_arguments(text, GEMMA) == {"a b": '{x: "1"}\n', "c": [1, {"d": True}], "e": None}
