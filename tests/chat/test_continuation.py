"""Where a reply goes on that the client has begun."""

from typing import Any

import pytest

from segue.chat.continuation import is_begun, render_begun
from segue.chat.rendered_prompt import RenderedPrompt
from segue.chat.reply.families import find_family
from segue.chat.template.template import CHATML, ChatTemplate
from tests.kit.families import FAMILIES, HARMONY, QWEN

SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hello <think>?"}
HEADER = "<|im_start|>assistant\n"
OPEN = """\
{%- for m in messages -%}
    {{- '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{{ '<think>\\n' }}{% endif -%}
    {{- m.content + '<|im_end|>\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n<think>\\n' -}}{%- endif -%}
"""
"""Writes an opening tag before each reply, and leaves its end to the reply."""
FORGETS = OPEN.replace("{{ '<think>\\n' }}", "")
"""Opens reasoning for a new reply, and shows none of an earlier one."""


def by_assistant(content: object, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def begun(source: str, *messages: dict[str, Any], **variables: Any) -> RenderedPrompt:
    return render_begun(ChatTemplate(source, "", ""), find_family(source), messages, None, variables)


def reasoning_end(source: str, rendered: RenderedPrompt) -> str:
    return find_family(source).reasoning_end_in(rendered.text[rendered.begun :])


def test_it_stands_as_it_will_in_the_next_turn() -> None:
    for family in ("chatml", "qwen", "llama3", "gemma3", "gemma4", "harmony", "kimi", "plain", "parts", "collected"):
        template = ChatTemplate(FAMILIES[family], "<bos>", "")
        said = by_assistant("The weather in")
        prompt = render_begun(template, find_family(template.source), [USER, said], None, {})
        whole = {**said, "content": "The weather in Paris"}
        later = template.render([USER, whole, USER]).text
        assert prompt.text.endswith("The weather in"), family
        assert later.startswith(prompt.text), family


def test_the_ends_before_it_stay() -> None:
    for family in ("chatml", "qwen", "llama3", "harmony"):
        template = ChatTemplate(FAMILIES[family], "", "")
        before = template.render([SYSTEM, USER], add_generation_prompt=False)
        prompt = render_begun(template, find_family(template.source), [SYSTEM, USER, by_assistant("so")], None, {})
        assert prompt.message_ends == before.message_ends
        assert prompt.message_indices == (0, 1)
        assert prompt.n_stable == before.n_stable
        assert prompt.begun == before.message_ends[-1]


def test_it_has_its_channel() -> None:
    for more in ({}, {"reasoning_content": "hm"}):
        prompt = begun(HARMONY, USER, by_assistant("so", **more))
        assert prompt.text.endswith("<|start|>assistant<|channel|>final<|message|>so")


def test_reasoning_that_the_template_writes_stays() -> None:
    said = by_assistant("so", reasoning_content="hm")
    assert begun(QWEN, USER, said).text.endswith(f"{HEADER}<think>\nhm\n</think>\n\nso")


def test_reasoning_without_text_goes_on_as_reasoning() -> None:
    prompt = begun(QWEN, USER, by_assistant("", reasoning_content="hm"))
    assert prompt.text.endswith(f"{HEADER}<think>\nhm")
    assert reasoning_end(QWEN, prompt) == "</think>"
    assert not reasoning_end(QWEN, begun(QWEN, USER, by_assistant("so", reasoning_content="hm")))


@pytest.mark.parametrize("reasoning", ["", "hm"])
def test_text_never_stands_inside_open_reasoning(reasoning: str) -> None:
    prompt = begun(OPEN, USER, by_assistant("so", reasoning_content=reasoning))
    assert prompt.text.endswith(f"{HEADER}<think>\n{reasoning}</think>so")
    assert not reasoning_end(OPEN, prompt)


def test_reasoning_that_the_template_forgets_is_put_where_a_new_reply_has_it() -> None:
    assert begun(FORGETS, USER, by_assistant("so")).text.endswith(f"{HEADER}so")
    said = by_assistant("so", reasoning_content="hm")
    assert begun(FORGETS, USER, said).text.endswith(f"{HEADER}<think>hm</think>so")
    prompt = begun(FORGETS, USER, by_assistant(None, reasoning_content="hm"))
    assert prompt.text.endswith(f"{HEADER}<think>hm")
    assert reasoning_end(FORGETS, prompt) == "</think>"


def test_a_message_that_the_template_refuses_follows_the_prompt() -> None:
    refuses = "{% if messages[-1].role == 'assistant' %}{{ raise_exception('no') }}{% endif %}" + CHATML
    assert begun(refuses, USER, by_assistant("so")).text.endswith(f"{HEADER}so")
    assert begun(refuses, by_assistant("so")).text.endswith(f"user\n<|im_end|>\n{HEADER}so")


def test_parts_go_on_behind_the_last() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two "}]
    assert begun(CHATML, USER, by_assistant(parts)).text.endswith(f"{HEADER}one\ntwo ")


def test_what_can_be_gone_on_with() -> None:
    for can_think in (False, True):
        assert is_begun(by_assistant("so"), can_think=can_think)
        assert not is_begun(by_assistant(""), can_think=can_think)
        assert not is_begun(by_assistant("so", tool_calls=[{"id": "1"}]), can_think=can_think)
        assert not is_begun(USER, can_think=can_think)
        assert is_begun(by_assistant(None, reasoning_content="hm"), can_think=can_think) == can_think
