"""Tool calls as a grammar."""

import json

import pytest

from segue.chat.reply.families import FAMILIES
from segue.chat.reply.family import ElementForm, Family, Form, JsonForm, NamedForm
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.whole import parts_whole
from segue.grammar.calls import CallableTool, calls_grammar
from segue.grammar.constraint import Constraint
from segue.grammar.errors import ConstraintError
from segue.grammar.marks import control_pieces
from tests.grammar.walk import VOCABULARY, follow, walk

TAGS = JsonForm(section=("<tool_call>\n", "\n</tool_call>"))
CONTROLS = JsonForm(section=("<|im_start|>call:", "<s>"), name_keys=("function",), arguments_keys=("parameters",))
ADD = {
    "type": "object",
    "properties": {"x": {"$ref": "#/$defs/small"}, "y": {"$ref": "#/$defs/small"}},
    "required": ["x", "y"],
    "additionalProperties": False,
    "$defs": {"small": {"type": "integer", "minimum": 0, "maximum": 99}},
}
TOOLS = [CallableTool('a"d', ADD), CallableTool("now")]


def grammar(form: Form = TAGS, *, is_required: bool, allows_several: bool = False) -> Constraint:
    controls = control_pieces(VOCABULARY)
    return calls_grammar(form, TOOLS, controls, is_required=is_required, allows_several=allows_several)


def call(name: str = "now", arguments: str = "{}") -> str:
    return f'<tool_call>\n{{"name": {json.dumps(name)}, "arguments": {arguments}}}\n</tool_call>'


@pytest.mark.parametrize("seed", range(20))
def test_a_required_call_is_a_call(seed: int) -> None:
    said = walk(grammar(is_required=True), seed)
    assert said.startswith("<tool_call>\n")
    assert said.endswith("\n</tool_call>")
    body = json.loads(said.removeprefix("<tool_call>\n").removesuffix("\n</tool_call>"))
    assert list(body) == ["name", "arguments"]
    assert body["name"] in ('a"d', "now")
    arguments = body["arguments"]
    assert arguments == {} if body["name"] == "now" else 0 <= arguments["x"] + arguments["y"] <= 198


@pytest.mark.parametrize("seed", range(10))
def test_marks_that_are_control_tokens(seed: int) -> None:
    said = walk(grammar(CONTROLS, is_required=True), seed)
    body = json.loads(said.removeprefix("<|im_start|>call:").removesuffix("<s>"))
    assert body["function"] in ('a"d', "now")


def test_what_may_come_around_a_call() -> None:
    for is_required in (True, False):
        for allows_several in (True, False):
            constraint = grammar(is_required=is_required, allows_several=allows_several)
            assert follow(constraint, call()) == "whole"
            assert follow(constraint, call('a"d', '{"x": 1,"y":22}')) == "whole"
            assert (follow(constraint, "Hello <tool") == "whole") is not is_required
            assert (follow(constraint, "Hello " + call()) == "whole") is not is_required
            assert (follow(constraint, call() + "\n" + call()) == "whole") is allows_several
            assert (follow(constraint, call() + " bye") == "whole") is (allows_several and not is_required)


def test_free_text_may_hold_no_false_call() -> None:
    for wrong in (call("else"), call('a"d', "{}"), call('a"d', '{"x": 100'), "<tool_call>\nHello"):
        assert follow(grammar(is_required=False, allows_several=True), "Well, " + wrong).startswith("stuck")


def test_what_cannot_be_called() -> None:
    with pytest.raises(ConstraintError, match="no tool"):
        calls_grammar(TAGS, [], {}, is_required=True, allows_several=False)
    bad = CallableTool("bad", {"properties": {"a": {"type": "strange"}}})
    with pytest.raises(ConstraintError, match=r"tool bad: .*strange.*at /properties/a"):
        calls_grammar(TAGS, [*TOOLS, bad], {}, is_required=True, allows_several=False)
    with pytest.raises(ConstraintError, match="opening"):
        calls_grammar(JsonForm(), TOOLS, {}, is_required=False, allows_several=False)


def test_a_form_without_marks() -> None:
    bare = calls_grammar(JsonForm(), TOOLS, {}, is_required=True, allows_several=False)
    assert follow(bare, '{"name": "now", "arguments": {}}') == "whole"


FORMS = [
    pytest.param(family, form, id=f"{family.name}-{type(form).__name__}")
    for family in FAMILIES
    for form in family.forms
    if isinstance(form, JsonForm | ElementForm) or (isinstance(form, NamedForm) and form.quote == '"')
]
LOOK = {
    "type": "object",
    "properties": {
        "what": {"type": "string", "enum": ["here", "over there"]},
        "far": {"type": "integer"},
        "so": {"type": "boolean"},
    },
    "required": ["what"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(("family", "form"), FORMS)
@pytest.mark.parametrize("seed", range(3))
def test_what_is_prescribed_is_what_the_parser_reads(family: Family, form: Form, seed: int) -> None:
    tools = [CallableTool("look", LOOK)]
    said = walk(calls_grammar(form, tools, {}, is_required=True, allows_several=False), seed)
    definitions = [{"type": "function", "function": {"name": "look", "parameters": LOOK}}]
    parser = ReplyParser(family, tools=definitions)
    whole = parts_whole(parser.feed(said) + parser.finish())
    ((name, arguments),) = whole.calls
    assert name == "look"
    found = json.loads(arguments)
    assert found.pop("what") in ("here", "over there")
    assert isinstance(found.pop("far", 0), int)
    assert isinstance(found.pop("so", False), bool)
    assert not found


def test_free_text_in_an_element_ends_with_it() -> None:
    xml = next(family for family in FAMILIES if family.name == "Qwen XML").forms[1]
    tool = CallableTool("look", {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]})
    constraint = calls_grammar(xml, [tool], {}, is_required=True, allows_several=False)
    head, tail = "<tool_call>\n<function=look>\n<parameter=what>\n", "\n</parameter>\n</function>\n</tool_call>"
    assert follow(constraint, head + "a < b\n</p>\n{" + tail) == "whole"
    assert follow(constraint, head + "a") == "open"
    assert follow(constraint, "<tool_call>\n<function=look>\n</function>").startswith("stuck")
