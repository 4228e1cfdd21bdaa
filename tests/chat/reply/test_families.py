"""A chat template tells its family, and what the family marks must reach the parser."""

import pytest

from segue.chat.reply.families import FAMILIES, GENERIC, find_family
from tests.kit import families as templates


@pytest.mark.parametrize(
    ("source", "name"),
    [
        (templates.QWEN, "Hermes"),
        (templates.LLAMA3, "Llama 3"),
        (templates.GEMMA3, "generic"),
        (templates.GEMMA4, "Gemma 4"),
        ("'<tool_call>\\n<function=' + name + '>'", "Qwen XML"),
        ("<tool_call>{{ name }}<arg_key>", "GLM"),
        ("<|start|>assistant<|channel|>final<|message|>", "gpt-oss"),
        ("<tool_calls>", "Jamba"),
        ("<TOOLCALL>[", "Nemotron"),
        ("<seed:tool_call>\n<function=f>", "Seed-OSS"),
        ("<|tool_list_start|>", "LFM2"),
        ("", "generic"),
    ],
)
def test_find_family(source: str, name: str) -> None:
    assert find_family(source).name == name


def test_each_family_is_found_by_each_of_its_signs() -> None:
    for family in FAMILIES:
        for signs in family.signs:
            assert find_family(" ".join(signs)) is family


def test_a_prompt_may_end_in_the_reasoning() -> None:
    assert GENERIC.reasoning_end_after("<|im_start|>assistant\n<think>\n")
    assert not GENERIC.reasoning_end_after("<|im_start|>assistant\n<think>\n\n</think>\n\n")
    assert not find_family("<|channel|><|message|>").reasoning_end_after("<|start|>assistant")


def test_names_are_unique() -> None:
    names = [family.name for family in (*FAMILIES, GENERIC)]
    assert len(set(names)) == len(names)


def test_markers() -> None:
    assert GENERIC.markers == {
        "<think>",
        "</think>",
        "<tool_call>",
        "</tool_call>",
        "<function=",
        "</function>",
        "<parameter=",
        "</parameter>",
    }
    assert '<|"|>' in find_family(templates.GEMMA4).markers
