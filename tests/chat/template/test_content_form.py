"""Parts, thoughts and results in the form that a template takes."""

import json

import pytest

from segue.chat.template.content_form import ContentForm
from segue.chat.template.order import Message
from segue.chat.template.template import CHATML, ChatTemplate
from tests.kit.families import FAMILIES

USER: Message = {"role": "user", "content": "U"}
# Qwen 3.5, Kimi K2
LISTS = """\
{%- for m in messages -%}
    {{- '<' + m.role + '>' }}
    {%- if m.content is string -%}{{ m.content }}
    {%- elif m.content is not none -%}{% for part in m.content %}{{ '[' + part.text + ']' }}{% endfor %}{% endif %}
    {%- for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}
{%- endfor -%}"""
# Mistral Small 3.2: of a tool's result the list itself
ONLY_USERS = LISTS.replace("m.content is string", "m.content is string or m.role == 'tool'")
# Apriel
FIRST_ONLY = LISTS.replace("in m.content %}", "in m.content[:1] %}")
# Ministral 3
THOUGHTS = LISTS.replace("part.text", "(part.thinking if part.type == 'thinking' else part.text)")
# Gemma 4
RESPONSES = """\
{%- for m in messages -%}
    {{- '<' + m.role + '>' }}
    {%- for c in m.tool_calls or [] %}{{ 'call:' + c.function.name + ';' }}{% endfor %}
    {%- for r in m.tool_responses or [] %}{{ 'response:' + r.name + r.response | tojson + ';' }}{% endfor %}
    {{- m.content }}
{%- endfor -%}"""


def parts(*texts: str) -> list[Message]:
    return [{"type": "text", "text": text} for text in texts]


def form(source: str) -> ContentForm:
    return ChatTemplate(source, "", "").dialect.content


def text(source: str, *messages: Message) -> str:
    return ChatTemplate(source, "", "").render(messages).text


def call(number: str, content: str = "") -> Message:
    function = {"name": f"f{number}", "arguments": "{}"}
    return {"role": "assistant", "content": content, "tool_calls": [{"id": number, "function": function}]}


def result(number: str, content: object) -> Message:
    return {"role": "tool", "tool_call_id": number, "content": content}


def test_a_list_stays_one_for_those_whose_lists_are_written() -> None:
    assert form(LISTS).list_roles == {"system", "user", "assistant", "tool"}
    assert form(ONLY_USERS).list_roles == {"system", "user", "assistant"}
    assert not form(FIRST_ONLY).list_roles
    assert not form(CHATML).list_roles
    said = [{"role": "system", "content": parts("S", "s")}, {"role": "user", "content": parts("U", "u")}]
    assert text(LISTS, *said) == "<system>[S][s]<user>[U][u]"
    assert text(FIRST_ONLY, *said) == "<system>S\ns<user>U\nu"
    answered = [USER, call("1"), result("1", parts("a", "b"))]
    assert text(LISTS, *answered).endswith("<tool>[a][b]")
    assert text(ONLY_USERS, *answered).endswith("<tool>a\nb")


def test_a_text_stays_one() -> None:
    assert text(LISTS, USER) == "<user>U"
    assert text(LISTS, {"role": "user", "content": []}) == "<user>"


def test_a_part_that_is_no_text_is_named_in_its_place() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    shown = text(LISTS, {"role": "user", "content": [*parts("U"), image, {"type": "thinking", "thinking": "no"}, "u"]})
    assert shown == "<user>[U][[image omitted: this model reads text only]][u]"


@pytest.mark.parametrize("source", [LISTS, FIRST_ONLY, FAMILIES["gemma3"], FAMILIES["collected"]])
def test_messages_in_parts_have_their_ends(source: str) -> None:
    said = [{"role": "user", "content": parts(" one ", "two")}, {"role": "assistant", "content": parts("a", "b")}, USER]
    rendered = ChatTemplate(source, "", "").render(said)
    assert rendered.message_indices[-1] == 2
    assert list(rendered.message_ends) == sorted(set(rendered.message_ends))
    system = {"role": "system", "content": parts("Be brief.", "Be kind.")}
    assert ChatTemplate(source, "", "").render([system, USER]).n_stable == 1


def test_reasoning_is_a_part_where_the_template_takes_it_so() -> None:
    assert form(THOUGHTS).takes_thoughts
    assert form(THOUGHTS).writes_reasoning
    assert not form(LISTS).writes_reasoning
    said = {"role": "assistant", "content": "A", "reasoning_content": "hm"}
    assert text(THOUGHTS, USER, said) == "<user>U<assistant>[hm][A]"
    assert text(THOUGHTS, USER, {**said, "content": parts("A", "B")}) == "<user>U<assistant>[hm][A][B]"
    assert not form(FAMILIES["qwen"]).takes_thoughts
    assert form(FAMILIES["qwen"]).writes_reasoning


def test_results_stand_with_their_calls_where_the_template_takes_them_so() -> None:
    assert form(RESPONSES).takes_responses
    assert not form(RESPONSES.replace("m.content }}", "(m.content if m.role == 'tool' else '') }}")).takes_responses
    assert not form(FAMILIES["gemma4"]).takes_responses
    first = [USER, call("1"), result("1", '{"x": 1}')]
    assert text(RESPONSES, *first) == '<user>U<assistant>call:f1;response:f1{"x": 1};'
    reply = {"role": "assistant", "content": "A"}
    assert text(RESPONSES, *first, reply, USER) == '<user>U<assistant>call:f1;response:f1{"x": 1};A<user>U'
    nameless = text(RESPONSES, USER, call("1"), result("?", "no JSON"))
    assert nameless == f"<user>U<assistant>call:f1;response:f1{json.dumps('no JSON')};"


def test_text_beside_calls_is_not_lost() -> None:
    said = [USER, call("1", "Look:"), result("1", "1"), call("2", "More:"), result("2", "2")]
    assert text(RESPONSES, *said) == (
        "<user>U<assistant>Look:<assistant>call:f1;response:f11;More:<assistant>call:f2;response:f22;"
    )
    rendered = ChatTemplate(RESPONSES, "", "").render(said)
    assert rendered.message_indices[-1] == len(said) - 1
