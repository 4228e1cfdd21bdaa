"""Calls in plain text: the tool's schema tells a marker from content, and what stays in doubt is no call."""

import json
from typing import Any

import pytest

from segue.chat.reply.parts import CallClosed
from segue.chat.reply.whole import parts_whole
from tests.chat.reply.kit import cut, merged, n_unfinished, parse, tool, whole

TEXT, NUMBER = {"type": "string"}, {"type": "integer"}
TOOLS = [
    tool("write", path=TEXT, content=TEXT),
    tool("a", x=TEXT),
    tool("b", y=TEXT),
    tool("count", n=NUMBER, of=TEXT),
]
CLOSED = [tool("count", n=NUMBER, of=TEXT)]
CLOSED[0]["function"]["parameters"]["additionalProperties"] = False

Call = tuple[str, dict[str, Any]]


def section(*calls: str) -> str:
    return "<tool_call>\n" + "\n".join(calls) + "\n</tool_call>"


def function(name: str, *parameters: str) -> str:
    return f"<function={name}>\n" + "".join(parameters) + "</function>"


def parameter(key: str, value: str) -> str:
    return f"<parameter={key}>\n{value}\n</parameter>\n"


def write(**arguments: str) -> str:
    return section(function("write", *(parameter(key, value) for key, value in arguments.items())))


def check(family: str, text: str, calls: list[Call], content: str = "", tools: Any = TOOLS) -> None:
    """The reply is these calls and this text, whole, character by character, and cut in two anywhere."""
    streamed = parse(family, [text], tools=tools, streams_calls=True)
    assert n_unfinished(streamed) == 0 if calls else all(not isinstance(part, CallClosed) for part in streamed)
    at_once = list(merged(parse(family, [text], tools=tools)))
    step = 1 if len(text) < 150 else 7
    for pieces in (list(text), *(cut(text, [place]) for place in range(1, len(text), step))):
        assert list(merged(parse(family, pieces, tools=tools))) == at_once
        again = parse(family, pieces, tools=tools, streams_calls=True)
        assert list(merged(again)) == list(merged(streamed))
    said = whole(family, text, tools=tools)
    assert [(name, json.loads(arguments)) for name, arguments in said.calls] == calls
    assert said.content == content
    assert parts_whole(streamed) == said


A: Call = ("a", {"x": "1"})
QUOTED = section(function("a", parameter("x", "1")))


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        (
            section("<function=a>\n<parameter=x>\n1 2\n</function>", function("b", parameter("y", "z"))),
            [("a", {"x": "1 2"}), ("b", {"y": "z"})],
        ),
        (
            section("<function=a>\n<parameter=x>\n1\n</parameter>", function("b", parameter("y", "z"))),
            [A, ("b", {"y": "z"})],
        ),
        (
            section("<function=count>\n<parameter=n>\n1", function("b", parameter("y", "z"))),
            [("count", {"n": 1}), ("b", {"y": "z"})],
        ),
        ("<tool_call>\n<function=a>\n<parameter=x>\n1\n</parameter>\n" + QUOTED, [A, A]),
        ("<tool_call>\n<function=count>\n<parameter=n>\n1\n</tool_call>\n" + QUOTED, [("count", {"n": 1}), A]),
        ("<tool_call>\n<function=count>\n<parameter=n>\n1\n" + QUOTED, [("count", {"n": 1}), A]),
        (
            "<tool_call>\n<function=write>\n<parameter=content>\n1\n<parameter=path>\n2\n</parameter>\n</function>",
            [("write", {"content": "1", "path": "2"})],
        ),
    ],
)
def test_closing_markers_may_be_missing_before_what_follows(text: str, calls: list[Call]) -> None:
    check("Qwen XML", text, calls)


@pytest.mark.parametrize(
    "content",
    [
        "one\n<parameter=path>\ntwo",
        "one\n<parameter=path>\ntwo\n</parameter>",
        "one\n<parameter=path>\ntwo\n</parameter>\nthree",
        "one\n</parameter>\ntwo",
        "one\n<function=a>\ntwo",
        "one\n<tool_call>\ntwo",
        "one\n</tool_call>\ntwo",
        "one </parameter> two </function>, <parameter=path> and </tool_call>",
        "</function>\n</tool_call>",
        QUOTED,
        f"{QUOTED}\n{QUOTED}",
        f"one\n{QUOTED}\ntwo",
        function("a", parameter("x", "1")),
    ],
)
def test_a_value_may_hold_markers(content: str) -> None:
    check("Qwen XML", write(path="p", content=content), [("write", {"path": "p", "content": content})])
    check(
        "Qwen XML", f"{write(content=content, path='p')}\n{QUOTED}", [("write", {"content": content, "path": "p"}), A]
    )


@pytest.mark.parametrize(
    ("text", "call"),
    [
        (section(function("count", "<parameter=n>\n1\n</parameter>\n</parameter>\n")), {"n": 1}),
        (section(function("count", "<parameter=n>\n<parameter=n>\n1\n</parameter>\n")), {"n": 1}),
        (section(function("count", parameter("n", "1"), parameter("other", "2"))), {"n": 1, "other": 2}),
        (section(function("count", parameter("n", "1"), "</parameter>\n", parameter("of", "2"))), {"n": 1, "of": "2"}),
        (section(function("count", parameter("n", "1") + "</tool_call>\n", parameter("of", "2"))), {"n": 1, "of": "2"}),
    ],
)
def test_the_schema_finds_what_does_not_belong(text: str, call: dict[str, Any]) -> None:
    check("Qwen XML", text, [("count", call)])


@pytest.mark.parametrize(
    "text",
    [
        section(function("a", "<parameter=x>\n1\n</parameter>\n</parameter>\n")),
        section(function("a", "<parameter=x>\n<parameter=x>\n1\n</parameter>\n")),
        section(function("a", parameter("x", "1"), parameter("x", "2"))),
        write(path="p", content="</parameter>\n</function>\n</tool_call>"),
        write(path="p", content="1").replace("<parameter=content>", "`<parameter=`content>"),
        write(path="p", content="1").replace("<parameter=content>", "content>"),
        section("<function=a>\n<parameter=x>\n1</x>\n</function>"),
        section("<function=a>\n<parameter=x>\n1"),
        "<tool_call>\n<function=write>\n<parameter=content>\n" + QUOTED,
    ],
)
def test_what_could_be_read_in_two_ways_stays_text(text: str) -> None:
    check("Qwen XML", text, [], text)


def test_several_other_keys_are_keys() -> None:
    others = {f"other_{i}": i for i in range(6)}
    text = section(function("a", parameter("x", "1"), *(parameter(key, str(value)) for key, value in others.items())))
    check("Qwen XML", text, [("a", {"x": "1", **others})])


def test_a_key_that_the_schema_rules_out_is_none() -> None:
    text = section(function("count", parameter("of", "1"), parameter("other", "2")))
    check("Qwen XML", text, [("count", {"of": "1", "other": 2})])
    check("Qwen XML", text, [], text, CLOSED)
    lone = section(function("count", parameter("of", "1\n<parameter=other>\n2")))
    check("Qwen XML", lone, [("count", {"of": "1\n<parameter=other>\n2"})], "", CLOSED)


NOTATIONS = {
    "MiniMax M2": (
        "<minimax:tool_call>\n",
        '<invoke name="{}">\n',
        '<parameter name="{}">',
        "</parameter>\n",
        "</invoke>\n",
        "</minimax:tool_call>",
    ),
    "Seed-OSS": (
        "<seed:tool_call>\n",
        "<function={}>\n",
        "<parameter={}>",
        "</parameter>\n",
        "</function>\n",
        "</seed:tool_call>",
    ),
    "GLM": ("", "<tool_call>{}\n", "<arg_key>{}</arg_key>\n<arg_value>", "</arg_value>\n", "</tool_call>\n", ""),
    "DeepSeek": (
        "<｜DSML｜tool_calls>\n",
        '<｜DSML｜invoke name="{}">\n',
        '<｜DSML｜parameter name="{}" string="true">',
        "</｜DSML｜parameter>\n",
        "</｜DSML｜invoke>\n",
        "</｜DSML｜tool_calls>",
    ),
    "Kimi K3": (
        "<|open|>tools<|sep|>",
        '<|open|>call tool="{}" index="1"<|sep|>',
        '<|open|>argument key="{}" type="string"<|sep|>',
        "<|close|>argument<|sep|>",
        "<|close|>call<|sep|>",
        "<|close|>tools<|sep|>",
    ),
}


@pytest.mark.parametrize("family", NOTATIONS)
def test_so_it_is_in_every_family(family: str) -> None:
    begin, call, opening, closing, call_end, end = NOTATIONS[family]
    a = call.format("a") + opening.format("x") + "1" + closing + call_end
    unclosed = call.format("a") + opening.format("x") + "1 2" + ("\n" if closing.endswith("\n") else "") + call_end
    b = call.format("b") + opening.format("y") + "z" + closing + call_end
    check(family, begin + unclosed + b + end, [("a", {"x": "1 2"}), ("b", {"y": "z"})])
    for content in (f"one\n{opening.format('path')}two", f"one\n{closing}two", f"one\n{begin}{a}{end}\ntwo"):
        written = call.format("write") + opening.format("path") + "p" + closing + opening.format("content") + content
        check(family, begin + written + closing + call_end + end, [("write", {"path": "p", "content": content})])
