"""A reply that a client sends back is read as the model wrote it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.kit.byte_vocabulary import END
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

TEMPLATE = """\
{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' -}}
  {%- if message.reasoning_content and loop.last or message.reasoning_content and messages[-1].role == 'tool' -%}
    {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' -}}
  {%- endif -%}
  {{- message.content or '' -}}
  {%- for call in message.tool_calls or [] -%}
    {{- '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' -}}
    {{- call.function.arguments | tojson -}}{{- '}\\n</tool_call>' -}}
  {%- endfor -%}
  {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
CALL = '<tool_call>\n{"arguments": {"b":1,  "a" : "x"},"name":"look"}\n</tool_call>'
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]
USER = {"role": "user", "content": "what is there?"}
RESULT = {"role": "tool", "tool_call_id": "1", "content": "a door"}
PATH = "/v1/chat/completions"


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.jinja"
    path.write_text(TEMPLATE)
    return path


def saying(text: str) -> FakeLoop:
    return FakeLoop(reply=lambda _: [*text.encode(), END])


def echoed(arguments: str = '{"a": "x", "b": 1}', **more: Any) -> dict[str, Any]:
    """The call as a client sends it back."""
    call = {"id": "other", "type": "function", "function": {"name": "look", "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call], **more}


def prompts(server: Live) -> list[list[int]]:
    return [job.tokens.tolist() for job in server.loop.jobs]


@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_call_in_other_spacing_costs_nothing(template: Path, *, is_streamed: bool) -> None:
    with live(saying(CALL), chat_template_file=template) as server:
        if is_streamed:
            server.events(PATH, messages=[USER], tools=TOOLS)
        else:
            said = server.post(PATH, messages=[USER], tools=TOOLS).json()["choices"][0]["message"]
            assert json.loads(said["tool_calls"][0]["function"]["arguments"]) == {"b": 1, "a": "x"}
        server.post(PATH, messages=[USER, echoed(), RESULT], tools=TOOLS)
        first, second = prompts(server)
        written = [*first, *CALL.encode(), END]
        assert second[: len(written)] == written


def test_without_it_the_templates_words_stand(template: Path) -> None:
    with live(saying(CALL), chat_template_file=template, keep_replies=False) as server:
        server.post(PATH, messages=[USER], tools=TOOLS)
        server.post(PATH, messages=[USER, echoed(), RESULT], tools=TOOLS)
        first, second = prompts(server)
        assert second[: len(first)] == first
        assert second[: len(first) + len(CALL)] != [*first, *CALL.encode()]


@pytest.mark.parametrize(
    "other",
    [
        [USER, echoed('{"a": "y", "b": 1}'), RESULT],
        [USER, echoed(content="and more"), RESULT],
        [{"role": "user", "content": "another question"}, echoed(), RESULT],
    ],
    ids=["arguments", "text", "conversation"],
)
def test_what_was_not_said_stays_as_it_is(template: Path, other: list[dict[str, Any]]) -> None:
    with live(saying(CALL), chat_template_file=template) as server:
        server.post(PATH, messages=[USER], tools=TOOLS)
        server.post(PATH, messages=other, tools=TOOLS)
        kept = prompts(server)[1]
    with live(saying(CALL), chat_template_file=template, keep_replies=False) as server:
        server.post(PATH, messages=other, tools=TOOLS)
        assert kept == prompts(server)[0]


def test_reasoning_that_the_client_leaves_out_is_known(template: Path) -> None:
    text = "<think>\nlook first\n</think>\n\n" + CALL
    with live(saying(text), chat_template_file=template) as server:
        server.post(PATH, messages=[USER], tools=TOOLS)
        server.post(PATH, messages=[USER, echoed(), RESULT], tools=TOOLS)
        server.post(PATH, messages=[USER, echoed(), RESULT, {"role": "user", "content": "so?"}], tools=TOOLS)
        first, second, third = prompts(server)
        written = [*first, *text.encode(), END]
        assert second[: len(written)] == written
        assert bytes(t for t in third if t < 256).count(b"look first") == 0, "the template leaves old reasoning out"


def test_nothing_is_found_across_keys(template: Path) -> None:
    with live(saying(CALL), chat_template_file=template, api_key=["one", "two"]) as server:
        ask = {"messages": [USER], "tools": TOOLS}
        server.http.post(PATH, json=ask, headers={"Authorization": "Bearer one"})
        again = {"messages": [USER, echoed(), RESULT], "tools": TOOLS}
        server.http.post(PATH, json=again, headers={"Authorization": "Bearer two"})
        first, second = prompts(server)
        assert second[: len(first) + len(CALL)] != [*first, *CALL.encode()]


def test_it_outlives_the_process(template: Path, tmp_path: Path) -> None:
    with live(saying(CALL), chat_template_file=template, cache_dir=tmp_path) as server:
        server.post(PATH, messages=[USER], tools=TOOLS)
        first = prompts(server)[0]
    with live(saying(CALL), chat_template_file=template, cache_dir=tmp_path) as server:
        server.post(PATH, messages=[USER, echoed(), RESULT], tools=TOOLS)
        written = [*first, *CALL.encode(), END]
        assert prompts(server)[0][: len(written)] == written
