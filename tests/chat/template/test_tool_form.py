"""Tools in the form that a template takes."""

import json
from typing import Any

import pytest

from segue.chat.template.template import CHATML, ChatTemplate
from segue.chat.template.tool_form import ToolForm

USER = {"role": "user", "content": "Hi"}
BARE: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "f",
        "strict": True,
        "parameters": {"type": "object", "properties": {"x": {"type": "string"}}},
    },
}
# Hermes, gpt-oss
TELLS_TOOLS = "{% for t in tools or [] %}{{ '[' + t.function.name + ': ' + t.function.description + ']' }}{% endfor %}"
# Command R+
TELLS_PARAMETERS = """\
{% for t in tools or [] %}{% for name, about in t.function.parameters.properties | items %}
{{- '[' + name + ': ' + about.description + ']' }}
{%- endfor %}{% endfor %}"""
# Command R+, Hermes 3
TELLS_TYPES = """\
{%- macro kind(about) -%}
{%- set kinds = {"string": "str", "integer": "int"} -%}
{%- if kinds[about.type] is defined -%}{{ kinds[about.type] }}
{%- elif about.type == "array" -%}List[{{ kind(about['items']) }}]
{%- elif about.type == "object" -%}Dict[{{ kind(about.additionalProperties) }}]
{%- elif about.type is iterable -%}Union[{% for one in about.type %}{{ kind({"type": one}) }} {% endfor %}]
{%- endif -%}
{%- endmacro -%}
{% for t in tools or [] %}{% for name, about in t.function.parameters.properties | items %}
{{- '[' + name + ': ' + kind(about) + ']' }}
{%- endfor %}{% endfor %}"""
# Command R7B
WRITES_PARAMETERS = "{% for t in tools or [] %}{{ t.function.parameters | tojson }}{% endfor %}"
# Seed-OSS
READS_PARAMETERS = """\
{% for t in tools or [] %}{{ '[' + t.function.name }}{% for name in t.function.parameters.properties.keys() %}
{{- ' ' + name }}
{%- endfor %}]{% endfor %}"""
# FireFunction
TELLS_FUNCTIONS = "{{ '[' + functions + ']' }}"


def text(source: str, *tools: dict[str, Any]) -> str:
    """What is told of the tools."""
    return ChatTemplate(source + CHATML, "", "").render([USER], tools or None).text.partition("<|im_start|>")[0]


@pytest.mark.parametrize(
    ("source", "form", "told"),
    [
        (TELLS_TOOLS, ToolForm(takes_bare_tools=False), "[f: ]"),
        (TELLS_PARAMETERS, ToolForm(takes_bare_parameters=False, no_parameters={}), "[x: ]"),
        (TELLS_TYPES, ToolForm(takes_null_types=False, takes_open_objects=False, no_parameters={}), "[x: str]"),
        ("{% for t in tools or [] %}{{ t | tojson }}{% endfor %}", ToolForm(), json.dumps(BARE)),
    ],
)
def test_a_description_is_added_where_the_template_needs_one(source: str, form: ToolForm, told: str) -> None:
    assert ChatTemplate(source + CHATML, "", "").dialect.tools == form
    assert text(source, BARE) == told
    assert "description" not in str(BARE)


@pytest.mark.parametrize(
    ("source", "empty", "told"),
    [
        (WRITES_PARAMETERS, {}, "{}"),
        (READS_PARAMETERS, {"type": "object", "properties": {}}, "[f]"),
        ("{% for t in tools or [] %}{{ t | tojson }}{% endfor %}", None, '{"type": "function", "function": '),
    ],
)
@pytest.mark.parametrize("missing", [{}, {"parameters": None}])
def test_a_tool_needs_no_parameters(source: str, empty: object, told: str, missing: dict[str, Any]) -> None:
    assert ChatTemplate(source + CHATML, "", "").dialect.tools.no_parameters == empty
    tool = {"type": "function", "function": {"name": "f", **missing}}
    assert text(source, tool).startswith(told)
    assert tool["function"] == {"name": "f", **missing}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": ["string", "null"]}, "str"),
        ({"type": ["null"]}, "Union[]"),
        ({"type": ["string", "null", "integer"]}, "Union[str int ]"),
        ({"type": "object", "properties": {"y": {}}}, "Dict[Union[]]"),
        ({"type": "object", "additionalProperties": False}, "Dict[Union[]]"),
        ({"type": "object", "additionalProperties": {"type": ["integer", "null"]}}, "Dict[int]"),
        ({"type": "array", "items": {"type": ["object", "null"]}}, "List[Dict[Union[]]]"),
        ({}, "Union[]"),
    ],
)
def test_types_are_told_as_the_template_can_read_them(schema: dict[str, Any], told: str) -> None:
    parameters = {"type": "object", "properties": {"x": schema}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    before = json.dumps(tool)
    assert text(TELLS_TYPES, tool) == f"[x: {told}]"
    assert json.dumps(tool) == before
    assert text("{% for t in tools or [] %}{{ t | tojson }}{% endfor %}", tool) == before


def test_a_description_stays() -> None:
    function = {"name": "f", "description": "does", "parameters": {"properties": {"x": {"description": "what"}}}}
    tool = {"type": "function", "function": function}
    assert ToolForm(takes_bare_tools=False, takes_bare_parameters=False).shaped([tool]) == [tool]


@pytest.mark.parametrize("tool", [{}, {"function": 1}, {"function": {"name": "f"}}, {"function": {"parameters": 1}}])
def test_what_is_no_whole_tool_passes(tool: dict[str, Any]) -> None:
    for form in (ToolForm(takes_bare_tools=False), ToolForm(takes_bare_parameters=False), ToolForm(no_parameters={})):
        assert len(form.shaped([tool])) == 1


def test_functions_are_the_tools_as_text() -> None:
    assert ChatTemplate(TELLS_FUNCTIONS + CHATML, "", "").dialect.tools == ToolForm(needs_functions=True)
    assert text(TELLS_FUNCTIONS) == "[]"
    assert text(TELLS_FUNCTIONS, BARE) == f"[{json.dumps([BARE['function']], indent=4)}]"
    assert not ChatTemplate("{{ functions }}" + CHATML, "", "").dialect.tools.needs_functions
