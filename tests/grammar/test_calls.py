"""Tool calls as a grammar."""

import json

import pytest

from segue.grammar.calls import CallForm, Tool, calls_grammar
from segue.grammar.constraint import Constraint
from segue.grammar.errors import ConstraintError
from segue.grammar.marks import control_pieces
from tests.grammar.walk import VOCABULARY, follow, walk

TAGS = CallForm("<tool_call>\n", "\n</tool_call>")
CONTROLS = CallForm("<|im_start|>call:", "<s>", "function", "parameters")
ADD = {
    "type": "object",
    "properties": {"x": {"$ref": "#/$defs/small"}, "y": {"$ref": "#/$defs/small"}},
    "required": ["x", "y"],
    "additionalProperties": False,
    "$defs": {"small": {"type": "integer", "minimum": 0, "maximum": 99}},
}
TOOLS = [Tool('a"d', ADD), Tool("now")]


def grammar(form: CallForm = TAGS, *, is_required: bool, allows_several: bool = False) -> Constraint:
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
    bad = Tool("bad", {"properties": {"a": {"type": "strange"}}})
    with pytest.raises(ConstraintError, match=r"tool bad: .*strange.*at /properties/a"):
        calls_grammar(TAGS, [*TOOLS, bad], {}, is_required=True, allows_several=False)
    with pytest.raises(ConstraintError, match="opening"):
        calls_grammar(CallForm("", ""), TOOLS, {}, is_required=False, allows_several=False)


def test_a_form_without_marks() -> None:
    bare = calls_grammar(CallForm("", ""), TOOLS, {}, is_required=True, allows_several=False)
    assert follow(bare, '{"name": "now", "arguments": {}}') == "whole"
