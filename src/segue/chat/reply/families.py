"""The known model families, and the choice of the one that a chat template belongs to."""

from dataclasses import replace
from typing import Final

from segue.chat.reply.family import ElementForm, Family, JsonForm, NamedForm, PythonicForm

_HERMES = JsonForm(section=("<tool_call>", "</tool_call>"))
_QWEN_XML = ElementForm(
    section=("<tool_call>", "</tool_call>"),
    call=("<function=", "</function>"),
    is_section_optional=True,
    name_end=">",
    parameter=("<parameter=", "</parameter>"),
    key_ends=(">",),
    strips_line=True,
)
_INVOKE = ElementForm(
    section=("<minimax:tool_call>", "</minimax:tool_call>"),
    call=('<invoke name="', "</invoke>"),
    name_end=">",
    parameter=('<parameter name="', "</parameter>"),
    key_ends=(">",),
    has_attributes=True,
)
_DEEPSEEK_SECTION = ("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>")


def _dsml(space: str, section: str) -> ElementForm:
    return ElementForm(
        section=(f"<｜DSML｜{space}{section}>", f"</｜DSML｜{space}{section}>"),
        call=(f'<｜DSML｜{space}invoke name="', f"</｜DSML｜{space}invoke>"),
        name_end=">",
        parameter=(f'<｜DSML｜{space}parameter name="', f"</｜DSML｜{space}parameter>"),
        key_ends=(">",),
        has_attributes=True,
    )


GENERIC: Final = Family(name="generic", signs=(), forms=(_HERMES, _QWEN_XML))

FAMILIES: Final = (
    Family(
        name="gpt-oss",
        signs=(("<|channel|>", "<|message|>"),),
        forms=(),
        reasoning=(),
        has_channels=True,
        other_markers=("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|call|>", "<|end|>", "<|return|>"),
    ),
    Family(
        name="DeepSeek",
        signs=(("<｜tool▁calls▁begin｜>",), ("｜DSML｜",)),
        forms=(
            NamedForm(
                section=_DEEPSEEK_SECTION,
                call=("<｜tool▁call▁begin｜>function<｜tool▁sep｜>", "```<｜tool▁call▁end｜>"),
                is_section_optional=True,
                ends=("\n```json\n",),
                closes=("<｜tool▁call▁end｜>", "```"),
            ),
            NamedForm(
                section=_DEEPSEEK_SECTION,
                call=("<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"),
                is_section_optional=True,
                ends=("<｜tool▁sep｜>", "\n```json\n", ""),
                closes=("```",),
            ),
            _dsml("", "function_calls"),
            _dsml("", "tool_calls"),
            _dsml(" ", "calls"),
        ),
    ),
    Family(
        name="Kimi K3",
        signs=(("<|open|>", "<|sep|>"),),
        forms=(
            ElementForm(
                section=("<|open|>tools<|sep|>", "<|close|>tools<|sep|>"),
                call=('<|open|>call tool="', "<|close|>call<|sep|>"),
                name_end="<|sep|>",
                parameter=('<|open|>argument key="', "<|close|>argument<|sep|>"),
                key_ends=("<|sep|>",),
                has_attributes=True,
                is_inline=True,
            ),
        ),
        reasoning=(("<|open|>think<|sep|>", "<|close|>think<|sep|>"),),
        wrappers=("<|open|>response<|sep|>", "<|close|>response<|sep|>", "<|close|>message<|sep|>"),
        other_markers=("<|open|>", "<|close|>", "<|sep|>"),
    ),
    Family(
        name="Kimi K2",
        signs=(("<|tool_calls_section_begin|>",),),
        forms=(
            NamedForm(
                section=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
                call=("<|tool_call_begin|>", "<|tool_call_end|>"),
                is_section_optional=True,
                allows_noise=True,
                ends=("<|tool_call_argument_begin|>", ""),
                name=r"\s*(?:functions\.)?(\S+?)(?::\d+)?\s*",
            ),
        ),
    ),
    Family(
        name="MiniMax M2",
        signs=(("<minimax:tool_call>",),),
        forms=(_INVOKE,),
    ),
    Family(
        name="Seed-OSS",
        signs=(("<seed:tool_call>",),),
        forms=(replace(_QWEN_XML, section=("<seed:tool_call>", "</seed:tool_call>"), strips_line=False),),
        reasoning=(("<seed:think>", "</seed:think>"),),
    ),
    Family(
        name="GLM",
        signs=(("<arg_key>",),),
        forms=(
            ElementForm(
                call=("<tool_call>", "</tool_call>"),
                name_end="",
                parameter=("<arg_key>", "</arg_value>"),
                key_ends=("</arg_key>", "<arg_value>"),
            ),
        ),
    ),
    Family(
        name="FunctionGemma",
        signs=(("<start_function_call>",),),
        forms=(
            NamedForm(call=("<start_function_call>call:", "<end_function_call>"), ends=("",), quote="<escape>"),
            NamedForm(
                call=("<start_function_call>", "<end_function_call>"), ends=("",), quote="<escape>", is_short=True
            ),
        ),
    ),
    Family(
        name="Gemma 4",
        signs=(("<|tool_call>",),),
        forms=(
            NamedForm(call=("<|tool_call>call:", "<tool_call|>"), ends=("",), quote='<|"|>'),
            NamedForm(call=("<|tool_call>", "<tool_call|>"), ends=("",), quote='<|"|>', is_short=True),
        ),
        reasoning=(("<|channel>thought", "<channel|>"),),
        other_markers=("<|channel>",),
    ),
    Family(
        name="Mistral",
        signs=(("[TOOL_CALLS]",),),
        forms=(
            JsonForm(section=("[TOOL_CALLS]", "")),
            NamedForm(
                section=("[TOOL_CALLS]", ""),
                ends=("[ARGS]", ""),
                name=r"\s*([^\s{}\[\]()<>\"]+?)(?:\[CALL_ID\]\S*)?\s*",
            ),
        ),
        reasoning=(("[THINK]", "[/THINK]"), ("<think>", "</think>")),
        other_markers=("[CALL_ID]",),
    ),
    Family(
        name="LFM2",
        signs=(("<|tool_call_start|>",), ("<|tool_list_start|>",), ("keep_past_thinking", "List of tools: [")),
        forms=(
            JsonForm(section=("<|tool_call_start|>", "<|tool_call_end|>")),
            PythonicForm(section=("<|tool_call_start|>", "<|tool_call_end|>")),
        ),
    ),
    Family(
        name="Llama 4",
        signs=(("<|header_start|>",), ("<|python_start|>",)),
        forms=(
            PythonicForm(section=("<|python_start|>", "<|python_end|>")),
            JsonForm(section=("<|python_start|>", "<|python_end|>")),
            PythonicForm(),
            JsonForm(first_keys=("name", "type", "function")),
        ),
    ),
    Family(
        name="Llama 3",
        signs=(("<|python_tag|>",), ("<|start_header_id|>", "tools")),
        forms=(
            JsonForm(section=("<|python_tag|>", "")),
            JsonForm(first_keys=("name", "type", "function", "parameters", "arguments")),
        ),
    ),
    Family(
        name="Nemotron",
        signs=(("<TOOLCALL>",),),
        forms=(JsonForm(section=("<TOOLCALL>", "</TOOLCALL>")),),
    ),
    Family(
        name="Jamba",
        signs=(("<tool_calls>",),),
        forms=(JsonForm(section=("<tool_calls>", "</tool_calls>")),),
    ),
    Family(
        name="Granite 3",
        signs=(("<|tool_call|>",),),
        forms=(JsonForm(section=("<|tool_call|>", "<|/tool_call|>")),),
    ),
    Family(
        name="Command R",
        signs=(("<|START_ACTION|>",),),
        forms=(JsonForm(section=("<|START_ACTION|>", "<|END_ACTION|>"), name_keys=("tool_name",)),),
        reasoning=(("<|START_THINKING|>", "<|END_THINKING|>"),),
        wrappers=("<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    ),
    Family(
        name="Qwen XML",
        signs=(("<function=",),),
        forms=(_HERMES, _QWEN_XML),
        i_own_form=1,
        calls_in_reasoning=True,
    ),
    Family(
        name="Hermes",
        signs=(("<tool_call>",),),
        forms=(_HERMES, _QWEN_XML),
    ),
)
"""Searched in this order."""


def find_family(template_source: str) -> Family:
    """The family of a chat template, `GENERIC` if the template has no sign of another one."""
    for family in FAMILIES:
        if any(all(sign in template_source for sign in signs) for signs in family.signs):
            return family
    return GENERIC
