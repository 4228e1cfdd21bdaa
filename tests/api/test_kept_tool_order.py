"""Tools that a client sends in another order are shown to the model in the first one."""

from pathlib import Path
from typing import Any

import pytest

from tests.kit.byte_vocabulary import END
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live

TEMPLATE = """\
{%- for tool in tools or [] -%}{{- tool | tojson -}}{%- endfor -%}
{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' + (message.content or '') + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
PARAMETERS = {
    "type": "object",
    "properties": {"b": {"type": "string", "description": "B"}, "a": {"type": "integer"}},
    "required": ["a", "b"],
    "additionalProperties": False,
}
SORTED = {
    "additionalProperties": False,
    "properties": {"b": {"description": "B", "type": "string"}, "a": {"type": "integer"}},
    "required": ["a", "b"],
    "type": "object",
}
HELLO = [{"role": "user", "content": "Hello"}]
CHAT = "/v1/chat/completions"


def tool(name: str, parameters: Any, *, is_sorted: bool = False) -> dict[str, Any]:
    function = {"name": name, "description": f"Does {name}.", "parameters": parameters}
    if is_sorted:
        return {"function": dict(sorted(function.items())), "type": "function"}
    return {"type": "function", "function": function}


FIRST = [tool("look", PARAMETERS), tool("open", PARAMETERS)]
OTHER = [tool("open", SORTED, is_sorted=True), tool("look", SORTED, is_sorted=True)]


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "template.jinja"
    path.write_text(TEMPLATE)
    return path


def server_loop() -> FakeLoop:
    return FakeLoop(reply=lambda _: [*b"ok", END])


def prompts(server: Live) -> list[list[int]]:
    return [job.tokens.tolist() for job in server.loop.jobs]


def test_the_order_of_keys_and_tools_does_not_matter(template: Path) -> None:
    with live(server_loop(), chat_template_file=template) as server:
        for tools in (FIRST, OTHER):
            server.post(CHAT, messages=HELLO, tools=tools)
        first, second = prompts(server)
        assert first == second
        shown = [server.post("/apply-template", messages=HELLO, tools=tools).json() for tools in (FIRST, OTHER)]
        assert shown[0] == shown[1]


def test_without_it_they_stay_as_they_came(template: Path) -> None:
    with live(server_loop(), chat_template_file=template, keep_tool_order=False) as server:
        for tools in (FIRST, OTHER):
            server.post(CHAT, messages=HELLO, tools=tools)
        first, second = prompts(server)
        assert first != second


def test_the_other_apis(template: Path) -> None:
    def bare(tools: list[dict[str, Any]], key: str, **more: Any) -> list[dict[str, Any]]:
        renamed = [{key if name == "parameters" else name: v for name, v in t["function"].items()} for t in tools]
        return [more | one for one in renamed]

    with live(server_loop(), chat_template_file=template) as server:
        for tools in (FIRST, OTHER):
            server.post("/v1/messages", messages=HELLO, tools=bare(tools, "input_schema"), max_tokens=9)
            server.post("/v1/responses", input="Hello", tools=bare(tools, "parameters", type="function"))
        assert len({tuple(prompt) for prompt in prompts(server)}) == 1


def test_a_grammar_follows_the_order_that_the_model_sees(template: Path) -> None:
    """With another order of properties the tools are others, and so is the grammar."""
    swapped = {**PARAMETERS, "properties": {"a": {"type": "integer"}, "b": {"type": "string", "description": "B"}}}
    beginnings = []
    with live(server_loop(), chat_template_file=template) as server:
        for parameters in (PARAMETERS, swapped):
            server.post(CHAT, messages=HELLO, tools=[tool("look", parameters)], tool_choice="required")
            make = server.loop.jobs[-1].make_mask
            assert make is not None
            mask = make()
            for byte in b'<tool_call>\n{"name": "look", "arguments": {"':
                mask.accept(byte)
            beginnings.append([chr(token) for token in mask.choice().tokens(260).tolist() if token < 256])
    assert beginnings == [["b"], ["a"]]


def test_nothing_is_found_across_keys(template: Path) -> None:
    with live(server_loop(), chat_template_file=template, api_key=["one", "two"]) as server:
        for key, tools in (("one", FIRST), ("two", OTHER)):
            body = {"messages": HELLO, "tools": tools}
            server.http.post(CHAT, json=body, headers={"Authorization": f"Bearer {key}"})
        first, second = prompts(server)
        assert first != second


def test_it_outlives_the_process(template: Path, tmp_path: Path) -> None:
    seen = []
    for tools in (FIRST, OTHER):
        with live(server_loop(), chat_template_file=template, cache_dir=tmp_path) as server:
            server.post(CHAT, messages=HELLO, tools=tools)
            seen += prompts(server)
    assert seen[0] == seen[1]
