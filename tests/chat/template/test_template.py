"""What a template may do, what it may not, and what its failures say."""

from typing import Any
from unittest.mock import patch

import pytest

from segue.chat.template import render
from segue.chat.template.sandbox import TemplateError
from segue.chat.template.template import ChatTemplate

USER = {"role": "user", "content": "Hi"}


class LookedAt:
    """A clock that goes on whenever somebody looks at it, and only then."""

    def __init__(self, step_s: float = 1.0) -> None:
        self._step_s = step_s
        self.n_looks = 0

    def __call__(self) -> float:
        self.n_looks += 1
        return self.n_looks * self._step_s


def fail() -> float:
    raise AssertionError("it looks at another clock")


def text(source: str, *messages: dict[str, Any], **options: Any) -> str:
    return ChatTemplate(source, "<s>", "</s>").render(messages or [USER], **options).text


def refusal(source: str) -> str:
    with pytest.raises(TemplateError) as error:
        ChatTemplate(source, "<s>", "</s>").render([USER])
    return str(error.value)


def test_hugging_faces_dialect() -> None:
    assert text("{{ bos_token }}{{ eos_token }}\n{% if true %}\n  x\n{% endif %}\n") == "<s></s>\n  x\n"
    assert text("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}") == "01"
    assert text("{% set x = 1 %}{% generation %}{% set x = 2 %}a{{ x }}{% endgeneration %}{{ x }}") == "a21"
    assert text("{{ documents is none }} {{ tools is none }} {{ nothing }}|") == "True True |"
    assert len(text("{{ strftime_now('%Y-%m-%d') }}")) == len("2026-11-22")


def test_json_is_written_as_hugging_face_does() -> None:
    value = {"b": "<é>", "a": [1]}
    assert text("{{ value | tojson }}", value=value) == '{"b": "<é>", "a": [1]}'
    assert text("{{ value | tojson(ensure_ascii=true) }}", value=value) == '{"b": "<\\u00e9>", "a": [1]}'
    assert text("{{ value | tojson(separators=(',', ':'), sort_keys=true) }}", value=value) == '{"a":[1],"b":"<é>"}'
    assert text("{{ value | tojson(indent=1) }}", value=[1]) == "[\n 1\n]"
    assert text("{{ messages | map(attribute='role') | tojson }}") == '["user"]'


def test_what_is_safe_escapes_nothing() -> None:
    assert text("""{{ '<a>' | safe + value }}""", value='"b"') == '<a>"b"'


def test_variables_reach_the_template() -> None:
    source = "{{ enable_thinking }}{{ add_generation_prompt }}"
    assert text(source, enable_thinking=False) == "FalseTrue"
    assert text(source, add_generation_prompt=False) == "TrueFalse"
    assert text("{{ bos_token }}", bos_token="<x>") == "<x>"


def test_a_closed_prompt_ends_with_its_last_message() -> None:
    rendered = ChatTemplate(None, "", "").render([USER], add_generation_prompt=False)
    assert rendered.message_ends == (len(rendered.text),)


def test_no_messages() -> None:
    rendered = ChatTemplate(None, "", "").render([])
    assert rendered.text == "<|im_start|>assistant\n"
    assert rendered.message_ends == ()


def test_a_syntax_error_names_its_line() -> None:
    with pytest.raises(TemplateError, match=r"line 2: .*endfor"):
        ChatTemplate("\n{% for x in y %}", "", "")
    with pytest.raises(TemplateError, match="nested too deeply"):
        ChatTemplate("{{" + "(" * 5000 + "1" + ")" * 5000 + "}}", "", "")


def test_a_refusal_says_why() -> None:
    assert refusal("{{ raise_exception('Roles must alternate') }}") == "chat template: Roles must alternate"
    assert refusal("\n\n{{ messages[5].content.strip() }}").startswith("chat template, line 3: ")
    assert "line 1" in refusal("{{ 1 + 'a' }}")


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ ''['__class__']['__mro__'] }}",
        "{{ (''|attr('__class__')).__mro__ }}",
        "{{ '{0.__class__.__mro__}'.format('').upper().x.y }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{{ self.__init__.__globals__ }}",
        "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
        "{{ messages.clear() }}",
        "{{ messages[0].update({'role': 'system'}) }}",
        "{% set _ = messages[0].__setitem__('role', 'system') %}",
        "{% include 'x' %}",
        "{% import 'x' as x %}",
        "{{ 1 | visit }}",
        "{{ [[1, 2]] | map(' visit') | list }}",
    ],
)
def test_the_sandbox_holds(source: str) -> None:
    messages = [dict(USER)]
    with pytest.raises(TemplateError):
        ChatTemplate(source, "<s>", "</s>").render(messages)
    assert messages == [USER]


def test_internals_are_empty() -> None:
    assert text("{{ [].append.__self__ }}{{ ''.__class__ }}{{ messages.__len__ }}") == ""


def test_templates_may_keep_a_queue() -> None:
    assert text("{% set q = [] %}{% set _ = q.append(1) %}{% set _ = q.append(2) %}{{ q.pop(0) }}{{ q }}") == "1[2]"


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ '' }}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(99) }}",
        "{% for x in [1] recursive %}{{ loop([1, 2]) }}{% endfor %}",
    ],
)
def test_endless_templates_are_stopped(source: str) -> None:
    clock = LookedAt(step_s=0.1)
    with patch("time.thread_time", clock):
        template = ChatTemplate(source, "<s>", "</s>", deadline_s=20)
        n_before = clock.n_looks
        with pytest.raises(TemplateError, match="chat template"):
            template.render([USER])
    assert clock.n_looks - n_before < 205, "it went on when time was up"


def test_the_rendering_thread_s_own_time_counts_and_no_other() -> None:
    clock = LookedAt()
    with patch("time.thread_time", clock), patch.multiple("time", monotonic=fail, perf_counter=fail, time=fail):
        run = render.TemplateRun((), deadline_s=2.5)
        run.tick()
        run.tick()
        with pytest.raises(render.LimitError, match=r"more than 2\.5 seconds"):
            run.tick()


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ 'x' * 4096 }}{% endfor %}{% endfor %}",
        "{% set ns = namespace(x='x') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x='x') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{{ messages[0].content * 999999999999 }}",
        "{{ 999999999999 * [messages] }}",
        "{{ 10 ** 9999999999 }}",
    ],
)
def test_runaway_values_are_stopped(source: str) -> None:
    assert any(word in refusal(source) for word in ("too large", "it wrote more"))


def test_hostile_templates_do_not_stop_the_server_from_starting() -> None:
    clock = LookedAt(step_s=0.1)
    with patch("time.thread_time", clock):
        ChatTemplate("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "", "")
    assert clock.n_looks < 200


def test_a_template_that_refuses_an_open_end_still_renders() -> None:
    source = "{% if not add_generation_prompt %}{{ raise_exception('no') }}{% endif %}{{ messages[0].content }}!"
    rendered = ChatTemplate(source, "", "").render([USER])
    assert rendered.text == "Hi!"
    assert rendered.message_ends == ()
