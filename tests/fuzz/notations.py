"""What each family's models write when they call tools, piece by piece, with its markers told apart."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

Call = tuple[str, dict[str, Any]]
_PLAIN: Final = re.compile(r"[\w ,:]+")


@dataclass(frozen=True, slots=True)
class Bit:
    """A piece of a reply. `role` says what a marker does; it is empty for what stands between markers."""

    text: str
    role: str = ""


Bits = list[Bit]
Notation = Callable[[Sequence[Call]], Bits]


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def elements(
    section: tuple[str, str],
    call: tuple[str, str, str],
    parameter: tuple[str, str, str],
    line: str = "",
    *,
    tells_strings: str = "",
    has_lines: bool = True,
) -> Notation:
    """Calls with values in plain text. The middle one of three is what ends a head."""
    end = "\n" if has_lines else ""

    def write(calls: Sequence[Call]) -> Bits:
        bits = [Bit(section[0], "section"), Bit(end)] if section[0] else []
        for name, arguments in calls:
            bits += [Bit(call[0], "call"), Bit(name), Bit(call[1]), Bit(end)]
            for key, value in arguments.items():
                is_text = isinstance(value, str)
                kind = tells_strings.format("true" if is_text else "false") if tells_strings else ""
                text = value if is_text else to_json(value)
                bits += [Bit(parameter[0], "parameter"), Bit(key), Bit(kind), Bit(parameter[1]), Bit(line)]
                bits += [Bit(text), Bit(line), Bit(parameter[2], "parameter end"), Bit(end)]
            bits += [Bit(call[2], "call end"), Bit(end)]
        return bits + [Bit(section[1], "section end")] * bool(section[1])

    return write


def objects(section: tuple[str, str], name_key: str = "name", arguments_key: str = "arguments") -> Notation:
    """Calls as JSON objects, each in a section of its own."""

    def write(calls: Sequence[Call]) -> Bits:
        bits: Bits = []
        for name, arguments in calls:
            bits += [Bit(section[0], "section"), Bit("\n")]
            bits += [Bit(to_json({name_key: name, arguments_key: arguments}), "object"), Bit("\n")]
            bits += [Bit(section[1], "section end"), Bit("\n")]
        return bits

    return write


def listed(section: tuple[str, str], name_key: str = "name", arguments_key: str = "arguments") -> Notation:
    """Calls as a list of JSON objects in one section."""

    def write(calls: Sequence[Call]) -> Bits:
        text = to_json([{name_key: name, arguments_key: arguments} for name, arguments in calls])
        return [Bit(section[0], "section"), Bit(text, "object"), Bit(section[1], "section end")]

    return write


def named(
    section: tuple[str, str], call: tuple[str, str], between: str, arguments: Callable[[dict[str, Any]], str] = to_json
) -> Notation:
    """A name, what ends it, and an object."""

    def write(calls: Sequence[Call]) -> Bits:
        bits = [Bit(section[0], "section")] * bool(section[0])
        for name, given in calls:
            bits += [Bit(call[0], "call"), Bit(name), Bit(between, "between"), Bit(arguments(given), "object")]
            bits += [Bit(call[1], "call end")]
        return bits + [Bit(section[1], "section end")] * bool(section[1])

    return write


def bare(quote: str) -> Callable[[dict[str, Any]], str]:
    """Objects with bare keys, and strings between quotes without escapes."""

    def write(value: Any) -> str:
        match value:
            case str():
                return f"{quote}{value}{quote}"
            case dict():
                return "{" + ",".join(f"{key}:{write(item)}" for key, item in value.items()) + "}"
            case list():
                return "[" + ",".join(map(write, value)) + "]"
        return to_json(value)

    return write


def python_like(given: dict[str, Any]) -> str:
    """Objects as Gemma's models write them when they think of Python."""
    return "{" + ", ".join(f"{key}={value!r}" for key, value in given.items()) + "}"


def unquoted(given: dict[str, Any]) -> str:
    """Objects whose strings have no quotes, where that can be understood."""
    texts = {key: value if _PLAIN.fullmatch(str(value)) else to_json(value) for key, value in given.items()}
    return "{" + ", ".join(f"{key}: {text}" for key, text in texts.items()) + "}"


def functions(section: tuple[str, str]) -> Notation:
    """Calls as Python writes them."""

    def write(calls: Sequence[Call]) -> Bits:
        texts = [f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})" for name, given in calls]
        return [Bit(section[0], "section"), Bit(f"[{', '.join(texts)}]", "object"), Bit(section[1], "section end")]

    return write


def harmony(calls: Sequence[Call]) -> Bits:
    """Messages to functions."""
    bits: Bits = []
    for i, (name, arguments) in enumerate(calls):
        bits += [Bit("<|start|>assistant", "start")] * bool(i)
        bits += [Bit("<|channel|>", "channel"), Bit("commentary to="), Bit("functions.", "prefix"), Bit(name)]
        bits += [Bit(" "), Bit("<|constrain|>json", "constrain"), Bit("<|message|>", "message")]
        bits += [Bit(to_json(arguments), "object"), Bit("<|call|>", "call end")]
    return bits


_DEEPSEEK: Final = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")
_QWEN: Final = ("<tool_call>", "</tool_call>")
_FUNCTION: Final = ("<function=", ">", "</function>")
_PARAMETER: Final = ("<parameter=", ">", "</parameter>")


def _dsml(space: str, section: str) -> Notation:
    return elements(
        (f"<｜DSML｜{space}{section}>", f"</｜DSML｜{space}{section}>"),
        (f'<｜DSML｜{space}invoke name="', '">', f"</｜DSML｜{space}invoke>"),
        (f'<｜DSML｜{space}parameter name="', ">", f"</｜DSML｜{space}parameter>"),
        tells_strings='" string="{}"',
    )


NOTATIONS: Final[dict[str, list[Notation]]] = {
    "gpt-oss": [harmony],
    "DeepSeek": [
        named(
            _DEEPSEEK,
            ("<｜tool▁call▁begin｜>function<｜tool▁sep｜>", "\n```<｜tool▁call▁end｜>"),
            "\n```json\n",
        ),
        named(_DEEPSEEK, ("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"), "<｜tool▁sep｜>"),
        _dsml("", "function_calls"),
        _dsml("", "tool_calls"),
        _dsml(" ", "calls"),
    ],
    "Kimi K3": [
        elements(
            ("<|open|>tools<|sep|>", "<|close|>tools<|sep|>"),
            ('<|open|>call tool="', '"<|sep|>', "<|close|>call<|sep|>"),
            ('<|open|>argument key="', "<|sep|>", "<|close|>argument<|sep|>"),
            tells_strings='" string="{}"',
            has_lines=False,
        )
    ],
    "Kimi K2": [
        named(
            ("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
            ("<|tool_call_begin|>functions.", "<|tool_call_end|>"),
            ":0<|tool_call_argument_begin|>",
        )
    ],
    "MiniMax M2": [
        elements(
            ("<minimax:tool_call>", "</minimax:tool_call>"),
            ('<invoke name="', '">', "</invoke>"),
            ('<parameter name="', '">', "</parameter>"),
        )
    ],
    "Seed-OSS": [elements(("<seed:tool_call>", "</seed:tool_call>"), _FUNCTION, _PARAMETER)],
    "GLM": [
        elements(
            ("", ""), ("<tool_call>", "", "</tool_call>"), ("<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>")
        )
    ],
    "FunctionGemma": [named(("", ""), ("<start_function_call>call:", "<end_function_call>"), "", bare("<escape>"))],
    "Gemma 4": [
        named(("", ""), ("<|tool_call>call:", "<tool_call|>"), "", arguments)
        for arguments in (bare('<|"|>'), bare('<|"|>'), to_json, python_like, unquoted)
    ],
    "Mistral": [listed(("[TOOL_CALLS]", "")), named(("", ""), ("[TOOL_CALLS]", ""), "[ARGS]")],
    "LFM2": [
        functions(("<|tool_call_start|>", "<|tool_call_end|>")),
        listed(("<|tool_call_start|>", "<|tool_call_end|>")),
    ],
    "Llama 4": [functions(("<|python_start|>", "<|python_end|>")), functions(("", ""))],
    "Llama 3": [objects(("<|python_tag|>", ""), arguments_key="parameters")],
    "Nemotron": [listed(("<TOOLCALL>", "</TOOLCALL>"))],
    "Jamba": [listed(("<tool_calls>", "</tool_calls>"))],
    "Granite 3": [listed(("<|tool_call|>", "<|/tool_call|>"))],
    "Command R": [listed(("<|START_ACTION|>", "<|END_ACTION|>"), "tool_name", "parameters")],
    "Qwen XML": [elements(_QWEN, _FUNCTION, _PARAMETER, "\n"), objects(_QWEN)],
    "Hermes": [objects(_QWEN), elements(_QWEN, _FUNCTION, _PARAMETER, "\n")],
    "generic": [objects(_QWEN)],
}
"""By the family's name."""
