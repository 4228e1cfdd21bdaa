"""What is found out about a template by trying it."""

from dataclasses import replace

import pytest

from segue.chat.template.content_form import ContentForm
from segue.chat.template.dialect import Dialect
from segue.chat.template.order import Order
from segue.chat.template.template import CHATML, ChatTemplate
from tests.kit.families import FAMILIES


def dialect(source: str) -> Dialect:
    """Without what it does with the order of messages and with parts, in which all differ."""
    found = ChatTemplate(source, "<bos>", "<eos>").dialect
    return replace(found, takes_late_system=False, content=ContentForm(), order=Order())


@pytest.mark.parametrize(
    ("family", "takes"),
    [("plain", True), ("kimi", True), ("parts", True), ("qwen", False), ("gemma3", False), ("deepseek", False)],
)
def test_late_system_messages_are_written_moved_to_the_front_or_passed_over(family: str, takes: bool) -> None:
    assert ChatTemplate(FAMILIES[family], "<bos>", "<eos>").dialect.takes_late_system == takes


@pytest.mark.parametrize("family", ["qwen", "llama3", "gemma3", "mistral", "kimi", "plain", "collected"])
def test_most_families_take_what_hugging_face_gives(family: str) -> None:
    assert dialect(FAMILIES[family]) == Dialect()
    assert dialect(CHATML) == Dialect()


def test_the_others() -> None:
    assert dialect(FAMILIES["parts"]) == Dialect(takes_parts=True)
    assert dialect(FAMILIES["gemma2"]) == Dialect(takes_system=False)
    assert dialect(FAMILIES["gemma4"]) == Dialect(takes_developer=True)
    assert dialect(FAMILIES["deepseek"]) == Dialect(takes_objects=False, takes_null_content=True)
    assert dialect(FAMILIES["harmony"]) == Dialect(
        takes_developer=True, takes_thought_and_text=False, reasoning_field="thinking"
    )


def test_a_silent_system_prompt_is_missed() -> None:
    assert not dialect("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}").takes_system


def test_tools_may_have_to_be_undefined() -> None:
    source = "{% for t in tools %}{{ t.function.name }}{% endfor %}" + CHATML
    assert not dialect(source).takes_null_tools
    assert ChatTemplate(source, "", "").render([{"role": "user", "content": "Hi"}]).text.startswith("<|im_start|>")


def test_a_template_that_always_fails_gets_the_defaults() -> None:
    assert dialect("{{ raise_exception('no') }}") == Dialect()
