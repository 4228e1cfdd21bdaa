"""Whatever arguments a call has, they come out as they were written, in every form."""

import json
from collections.abc import Callable
from typing import Any, Final

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from segue.chat.reply.whole import parts_whole
from tests.chat.reply.kit import cut, parse, tool

KEYS = st.from_regex(r"[a-z_][a-z_0-9]{0,8}", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text() | st.lists(st.sampled_from(["<tool_call>", "</tool_call>", "{", '"', "'", "\\", "\n", "[ARGS]"])).map(
    "".join
)
VALUES = st.recursive(SCALARS | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner), max_leaves=8)


def gemma(value: Any) -> str:
    match value:
        case str():
            return f'<|"|>{value}<|"|>'
        case dict():
            return "{" + ",".join(f"{key}:{gemma(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ",".join(map(gemma, value)) + "]"
    return json.dumps(value)


def python(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in arguments.items())


JSON: Final = json.dumps
WRITERS: dict[str, Callable[[dict[str, Any]], str]] = {
    "Hermes": lambda a: f'<tool_call>\n{{"name": "f", "arguments": {JSON(a, ensure_ascii=False)}}}\n</tool_call>',
    "Mistral": lambda a: f"[TOOL_CALLS]f[ARGS]{JSON(a)}",
    "Llama 3": lambda a: f'{{"name": "f", "parameters": {JSON(a)}}}',
    "Llama 4": lambda a: f"[f({python(a)})]",
    "LFM2": lambda a: f"<|tool_call_start|>[f({python(a)})]<|tool_call_end|>",
    "Gemma 4": lambda a: f"<|tool_call>call:f{gemma(a)}<tool_call|>",
    "gpt-oss": lambda a: f"<|channel|>commentary to=functions.f<|message|>{JSON(a)}<|call|>",
    "DeepSeek": lambda a: (
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f"
        f"\n```json\n{JSON(a)}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>"
    ),
}


@pytest.mark.parametrize("family", WRITERS)
@settings(max_examples=40)
@given(st.dictionaries(KEYS, VALUES, max_size=4), st.lists(st.integers(0, 200), max_size=6))
def test_notations(family: str, arguments: dict[str, Any], cuts: list[int]) -> None:
    said = parts_whole(parse(family, cut(WRITERS[family](arguments), cuts), tools=[tool("f")]))
    assert (said.content, len(said.calls)) == ("", 1)
    assert json.loads(said.calls[0][1]) == arguments


ELEMENTS: dict[str, tuple[str, str, str]] = {
    "Qwen XML": (
        "<tool_call>\n<function=f>\n",
        "<parameter={}>\n{}\n</parameter>\n",
        "</function>\n</tool_call>",
    ),
    "GLM": ("<tool_call>f\n", "<arg_key>{}</arg_key>\n<arg_value>{}</arg_value>\n", "</tool_call>"),
    "MiniMax M2": (
        '<minimax:tool_call>\n<invoke name="f">\n',
        '<parameter name="{}">{}</parameter>\n',
        "</invoke>\n</minimax:tool_call>",
    ),
    "Kimi K3": (
        '<|open|>tools<|sep|><|open|>call tool="f" index="1"<|sep|>',
        '<|open|>argument key="{}" type="string"<|sep|>{}<|close|>argument<|sep|>',
        "<|close|>call<|sep|><|close|>tools<|sep|>",
    ),
}


@pytest.mark.parametrize("family", ELEMENTS)
@settings(max_examples=40)
@given(st.dictionaries(KEYS, st.text(), max_size=4), st.lists(st.integers(0, 200), max_size=6))
def test_elements(family: str, arguments: dict[str, str], cuts: list[int]) -> None:
    begin, parameter, end = ELEMENTS[family]
    text = begin + "".join(parameter.format(key, value) for key, value in arguments.items()) + end
    tools = [tool("f", **{key: {"type": "string"} for key in arguments})]
    said = parts_whole(parse(family, cut(text, cuts), tools=tools))
    assert (said.content, len(said.calls)) == ("", 1)
    assert json.loads(said.calls[0][1]) == arguments
