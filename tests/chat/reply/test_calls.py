"""Each family's calls, where the suite of fixtures has none, and what models get wrong in them."""

import pytest

from segue.chat.reply.whole import Whole
from tests.chat.reply.kit import parse, tool, whole

F = (("f", '{"a": 1, "b": "x"}'),)
G = (*F, ("g", "{}"))
TOOLS = [tool("f", a={"type": "integer"}, b={"type": "string"}), tool("g")]
ONE = '{"name": "f", "arguments": {"a": 1, "b": "x"}}'
TWO = '{"name": "g", "arguments": {}}'


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("Hermes", f"<tool_call>\n{ONE}\n</tool_call>\n<tool_call>\n{TWO}\n</tool_call>"),
        ("Hermes", f"<tool_call>\n[{ONE},\n{TWO}]\n</tool_call>"),
        ("Hermes", f"<tool_call>\n{ONE}\n{TWO}\n</tool_call>\n"),
        ("Hermes", f"<tool_call>{ONE}<tool_call>{TWO}"),
        ("Nemotron", f"<TOOLCALL>[{ONE}, {TWO}]</TOOLCALL>"),
        ("Jamba", f"<tool_calls>[\n    {ONE},\n    {TWO}\n]</tool_calls>"),
        ("Granite 3", f"<|tool_call|>[{ONE}, {TWO}]"),
        ("LFM2", "<|tool_call_start|>[f(a=1, b='x'), g()]<|tool_call_end|>"),
        ("LFM2", '<|tool_call_start|>f(a=1, b="x")<|tool_call_end|><|tool_call_start|>g()<|tool_call_end|>'),
        ("LFM2", f"<|tool_call_start|>[{ONE}, {TWO}]<|tool_call_end|>"),
        ("LFM2", f"<|tool_call_start|>{ONE}{TWO}<|tool_call_end|>"),
        ("Llama 4", "[f(a=1, b='x'), g()]"),
        ("Llama 4", "<|python_start|>[f(a=1, b='x'), g()]<|python_end|>"),
        ("Mistral", '[TOOL_CALLS]f{"a": 1, "b": "x"}[TOOL_CALLS]g{}'),
        (
            "MiniMax M2",
            '<minimax:tool_call>\n<invoke name="f">\n<parameter name="a">1</parameter>\n'
            '<parameter name="b">x</parameter>\n</invoke>\n<invoke name="g">\n</invoke>\n</minimax:tool_call>',
        ),
        (
            "Seed-OSS",
            "<seed:tool_call>\n<function=f>\n<parameter=a>1</parameter>\n<parameter=b>x</parameter>\n</function>\n"
            "</seed:tool_call><seed:tool_call>\n<function=g>\n</function>\n</seed:tool_call>",
        ),
        (
            "Command R",
            '<|START_ACTION|>[{"tool_call_id": "0", "tool_name": "f", "parameters": {"a": 1, "b": "x"}},'
            '{"tool_call_id": "1", "tool_name": "g", "parameters": {}}]<|END_ACTION|>',
        ),
        (
            "FunctionGemma",
            "<start_function_call>call:f{a:1,b:<escape>x<escape>}<end_function_call>"
            "<start_function_call>call:g{}<end_function_call>",
        ),
        (
            "Kimi K2",
            '<|tool_call_begin|>functions.f:0<|tool_call_argument_begin|>{"a": 1, "b": "x"}<|tool_call_end|>'
            "<|tool_call_begin|>g<|tool_call_argument_begin|>{}<|tool_call_end|><|tool_calls_section_end|>",
        ),
        (
            "DeepSeek",
            '<｜tool▁call▁begin｜>f<｜tool▁sep｜>{"a": 1, "b": "x"}<｜tool▁call▁end｜>'
            "<｜tool▁call▁begin｜>function<｜tool▁sep｜>g\n```json\n{}\n```<｜tool▁call▁end｜>",
        ),
    ],
)
def test_two_calls(family: str, text: str) -> None:
    said = whole(family, text, tools=TOOLS)
    assert (said.content.strip(), said.calls) == ("", G)
    assert whole(family, "Now:\n" + text, tools=TOOLS).content == "Now:" or family == "Llama 4"


@pytest.mark.parametrize(
    ("family", "text", "rest"),
    [
        ("Hermes", f"<tool_call>{ONE}}}</tool_call>", "}</tool_call>"),
        ("Hermes", f"<tool_call>{ONE}</tool_call>\nDone.\n", "Done.\n"),
        ("LFM2", "<|tool_call_start|>[f(a=1, b='x')] and then", " and then"),
        ("Mistral", '[TOOL_CALLS]f[ARGS]{"a": 1, "b": "x"} so', " so"),
        (
            "Kimi K2",
            "<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_argument_begin|>"
            '{"a": 1, "b": "x"}<|tool_call_end|> and <|tool_calls_section_end|>',
            " and <|tool_calls_section_end|>",
        ),
        ("Llama 4", "[f(a=1, b='x')] [1]", " [1]"),
    ],
)
def test_what_stands_behind_a_call_is_kept(family: str, text: str, rest: str) -> None:
    assert whole(family, text, tools=TOOLS) == Whole(rest, "", F)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("LFM2", "<|tool_call_start|>[f(a=open('x'))]<|tool_call_end|>"),
        ("LFM2", "<|tool_call_start|>[f(a=1"),
        ("Llama 4", "[1, 2] and [f(a=1, b='x')]"),
        ("Mistral", "[TOOL_CALLS]two words{}"),
        ("Mistral", "[TOOL_CALLS]f[ARGS]none"),
        ("GLM", "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>1"),
        ("GLM", "<tool_call>f\n<arg_key>a</arg_key>\nno value</tool_call>"),
        ("GLM", "<tool_call>two words</tool_call>"),
        ("MiniMax M2", '<minimax:tool_call><invoke name="f">stray<parameter name="a">1</parameter></invoke>'),
        ("Gemma 4", '<|tool_call>call:f{a:<|"|>x<tool_call|>'),
        ("DeepSeek", "<｜tool▁calls▁begin｜>" + "<｜tool▁call▁begin｜>f<｜tool▁sep｜>{<｜tool▁call▁end｜>"),
        ("Command R", "<|START_ACTION|>[]<|END_ACTION|>"),
    ],
)
def test_what_is_no_call_stays_as_written(family: str, text: str) -> None:
    for pieces in ([text], list(text)):
        said = parse(family, pieces, tools=TOOLS)
        assert "".join(getattr(part, "text", "!") for part in said) == text


def test_values_may_speak_of_markers() -> None:
    text = (
        "<tool_call>\n<function=f>\n<parameter=b>\nends with </parameter> or </function>, </tool_call>\n</parameter>\n"
        "</function>\n</tool_call>"
    )
    assert whole("Qwen XML", text, tools=TOOLS).calls == (
        ("f", '{"b": "ends with </parameter> or </function>, </tool_call>"}'),
    )


def test_what_closes_may_be_missing() -> None:
    text = "<tool_call>\n<function=f>\n<parameter=a>\n1\n<parameter=b>\nx\n</parameter>\n</tool_call>"
    assert whole("Qwen XML", text, tools=TOOLS).calls == F


OTHER_TOOLS = [
    tool("f", a={"type": "integer"}, b={"type": "string"}, c={"type": "array", "items": {"type": "string"}}),
    tool("g"),
]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("{c:['x']}", '{"c": ["x"]}'),
        ("{a:3,b='x'}", '{"a": 3, "b": "x"}'),
        ('{b:"one, two: three"}', '{"b": "one, two: three"}'),
        ("{b: one, two: three}", '{"b": "one, two: three"}'),
        ("{b: one, a: 3}", '{"b": "one", "a": 3}'),
        ("{b:'it's one',a:3}", '{"b": "it\'s one", "a": 3}'),
        ("{b: http://x.y/z?q=1}", '{"b": "http://x.y/z?q=1"}'),
        ('{b:<|"|>x<|"|>a:3}', '{"b": "x", "a": 3}'),
        ("{'b': 'x', 'other': True}", '{"b": "x", "other": true}'),
        ('{b:<|"|>call:f{b:<|"|>x<|"|>} and<|"|>}', '{"b": "call:f{b:<|\\"|>x<|\\"|>} and"}'),
    ],
)
def test_arguments_that_do_not_keep_to_gemmas_notation(text: str, arguments: str) -> None:
    assert whole("Gemma 4", f"<|tool_call>call:f{text}<tool_call|>", tools=OTHER_TOOLS) == Whole(
        "", "", (("f", arguments),)
    )


@pytest.mark.parametrize("text", ["{c:['x']}", "{n:3,name='x'}", '{q:"one, two: three"}'])
def test_strings_in_quotes_need_no_schema(text: str) -> None:
    assert whole("Gemma 4", f"<|tool_call>call:f{text}<tool_call|>").content == ""


@pytest.mark.parametrize(
    "text",
    [
        "{a: three}",
        "{b: x, b: y}",
        "{b: one, a 3}",
        "{b: one a: 3}",
        "{b: f(x)}",
        "{b: x",
        "{b: 'x' and 'y}",
        "{b: x'}",
        "{b: “x”}",
        "{c:['x' 'y']}",
        '{b:<|"|>x<|"|>,a<|"|>y<|"|>}',
        "{b:'x'} more",
    ],
)
def test_arguments_that_are_in_doubt_stay_text(text: str) -> None:
    text = f"<|tool_call>call:f{text}<tool_call|>"
    assert whole("Gemma 4", text, tools=OTHER_TOOLS) == Whole(text, "", ())


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("Hermes", "<tool_call>{'name': 'f', 'arguments': {'a': 1, 'b': 'x'}}</tool_call>"),
        ("Hermes", '<tool_call>{name: "f", arguments: {a: 1, b: x}}</tool_call>'),
        ("Hermes", '<tool_call>{"name"="f", "arguments"={"a"=1, "b"="x"}}</tool_call>'),
        ("Hermes", '<tool_call>{"name": "f", "arguments": {"a": 1, "b": "x",}}</tool_call>'),
        ("Hermes", '<tool_call>{"name": "functions.f", "arguments": {"a": 1, "b": "x"}}</tool_call>'),
        ("Nemotron", "<TOOLCALL>[{'name': 'f', 'arguments': {'a': 1, 'b': 'x'}}]</TOOLCALL>"),
        ("Command R", "<|START_ACTION|>[{'tool_name': 'f', 'parameters': {'a': 1, 'b': 'x'}}]<|END_ACTION|>"),
        ("Mistral", "[TOOL_CALLS]f[ARGS]{'a': 1, 'b': 'x'}"),
        ("Llama 3", "{'name': 'f', 'parameters': {'a': 1, 'b': 'x'}}"),
        ("Llama 4", "[f(a: 1, b: 'x')]"),
        ("LFM2", "<|tool_call_start|>[functions.f(a=1, b='x')]<|tool_call_end|>"),
        ("LFM2", "<|tool_call_start|>[f(a=1, b: 'x')]<|tool_call_end|>"),
        ("Gemma 4", '<|tool_call>f{a:1,b:<|"|>x<|"|>}<tool_call|>'),
        ("Gemma 4", '<|tool_call>call:functions.f{a:1,b:<|"|>x<|"|>}<tool_call|>'),
        ("Gemma 4", '<|tool_call> call:f{a:1,b:<|"|>x<|"|>}<tool_call|>'),
        ("FunctionGemma", "<start_function_call>f{a:1,b:<escape>x<escape>}<end_function_call>"),
        ("Kimi K2", '<|tool_call_begin|>functions.f:0{"a": 1, "b": "x"}<|tool_call_end|>'),
        ("DeepSeek", '<｜tool▁call▁begin｜>f{"a": 1, "b": "x"}<｜tool▁call▁end｜>'),
        ("DeepSeek", '<｜tool▁call▁begin｜>f\n```json\n{"a": 1, "b": "x"}\n```<｜tool▁call▁end｜>'),
    ],
)
def test_a_slip_in_the_notation_does_no_harm(family: str, text: str) -> None:
    assert whole(family, text, tools=TOOLS) == Whole("", "", F)
    assert parse(family, text, tools=TOOLS) == parse(family, [text], tools=TOOLS)


@pytest.mark.parametrize(
    ("family", "text"),
    [
        ("Hermes", '<tool_call>{"name": "f", "arguments": {"a": 1, "a": 2}}</tool_call>'),
        ("Hermes", '<tool_call>{"name": "f", "arguments": {"b": "x, "a": "y"}}</tool_call>'),
        ("Hermes", '<tool_call>{"name": "`f", "arguments": {}}</tool_call>'),
        ("Gemma 4", "<|tool_call>h{a:1}<tool_call|>"),
        ("LFM2", "<|tool_call_start|>[f(b='x', b='y')]<|tool_call_end|>"),
        ("LFM2", "<|tool_call_start|>[f(b='x' 'y')]<|tool_call_end|>"),
        ("Kimi K2", "<|tool_calls_section_begin|>f:0{}<|tool_calls_section_end|>"),
    ],
)
def test_a_slip_that_leaves_a_doubt_is_text(family: str, text: str) -> None:
    assert whole(family, text, tools=TOOLS) == Whole(text, "", ())


def test_a_broken_call_behind_a_whole_one_is_not_lost() -> None:
    whole_one, broken = f"<tool_call>{ONE}</tool_call>", '<tool_call>{"name": "f, "arguments": {"a": 1}}</tool_call>'
    assert whole("Hermes", whole_one + broken, tools=TOOLS) == Whole(broken, "", F)
    assert whole("Llama 3", f"<|python_tag|>{ONE}<|python_tag|>{ONE[:-8]}}}}}", tools=TOOLS).content.endswith("}}")
