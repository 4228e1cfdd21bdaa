"""Required calls in notations other than plain JSON: whatever the grammar allows is read back as that call."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from segue.chat.reply.families import FAMILIES
from segue.chat.reply.family import Family
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.whole import parts_whole
from segue.grammar.calls import CallableTool, calls_grammar
from segue.grammar.channel_calls import channel_call_grammar
from segue.grammar.constraint import Constraint, from_schema
from segue.grammar.errors import ConstraintError
from segue.grammar.marks import control_pieces
from tests.grammar.marked import Marked, draw
from tests.grammar.walk import follow

KINDS = ("string", "integer", "number", "boolean", "null", "array", "object")
# Of JSON's numbers some are too large for any parser.
JSON_KINDS = tuple(kind for kind in KINDS if kind != "number")
KEYS = ("a", "b", "city", "to", "in", "class", "x_1")
ODD_KEYS = ("two words", "we:ird", "-", "ünï", "a.b", "a'b", "$ref", "7")
TEXTS = ("here", "over there", "", 'a "quoted" word', "it's", "{a:1}", "<b>", "line\nend", "back\\slash", "é")


def drawn_schema(rng: random.Random, depth: int, keys: tuple[str, ...], kinds: tuple[str, ...]) -> Any:
    """A schema, with hardly anything left open."""
    kind = rng.choice(kinds if depth else kinds[:-2])
    which = rng.random()
    if which < 0.15:
        return {"enum": [rng.choice((*TEXTS, 3, -1.5, True, None)) for _ in range(3)]}
    if which < 0.25 and depth:
        return {rng.choice(("anyOf", "oneOf")): [drawn_schema(rng, depth - 1, keys, kinds) for _ in range(2)]}
    if which < 0.3:
        return {"$ref": "#/$defs/pair"}
    if which < 0.35:
        return {"type": ["string", "null"], "description": "text"}
    if kind == "object":
        return drawn_object(rng, depth - 1, keys, kinds)
    if kind == "array":
        sizes = rng.choice(({}, {"minItems": 1}, {"maxItems": 2}, {"minItems": 2, "maxItems": 3}, {"maxItems": 0}))
        return {"type": kind, "items": drawn_schema(rng, depth - 1, keys, kinds), **sizes}
    if kind == "integer":
        return {"type": kind, **rng.choice(({}, {"minimum": 0, "maximum": 50}))}
    return {"type": kind}


def drawn_object(rng: random.Random, depth: int, keys: tuple[str, ...], kinds: tuple[str, ...]) -> dict[str, Any]:
    chosen = rng.sample(keys, rng.randrange(1, 4))
    return {
        "type": "object",
        "properties": {key: drawn_schema(rng, depth, keys, kinds) for key in chosen},
        "required": [key for key in chosen if rng.random() < 0.6],
        "additionalProperties": False,
    }


def drawn_tools(rng: random.Random, keys: tuple[str, ...], kinds: tuple[str, ...] = KINDS) -> list[CallableTool]:
    tools = [CallableTool(name, drawn_object(rng, 2, keys, kinds)) for name in rng.sample(("look", "go", "go_on"), 2)]
    for tool in tools:
        assert isinstance(tool.parameters, dict)
        pair = {"type": "object", "properties": {"x": {"type": "integer"}, "y": {"type": "string"}}, "required": ["x"]}
        tool.parameters["$defs"] = {"pair": pair}
    return [*tools, CallableTool("now")]


def read(family: Family, tools: list[CallableTool], said: str, n_piece: int) -> list[tuple[str, Any]]:
    """The calls that the parser finds, when the text comes in pieces."""
    definitions = [
        {"type": "function", "function": {"name": tool.name, "parameters": tool.parameters or {}}} for tool in tools
    ]
    parser = ReplyParser(family, tools=definitions, streams_calls=n_piece < len(said))
    parts = [part for at in range(0, len(said), n_piece) for part in parser.feed(said[at : at + n_piece])]
    whole = parts_whole(parts + parser.finish())
    # Only where there are channels may words to the user come before a call.
    assert family.has_channels or not whole.content, (said, whole)
    assert "to=" not in whole.content
    return [(name, json.loads(arguments)) for name, arguments in whole.calls]


def check(family: Family, tools: list[CallableTool], constraint: Constraint, vocabulary: Marked, seed: int) -> None:
    """Draw replies, and see that each is one call whose arguments follow the schema."""
    rng = random.Random(seed)
    schemas = {tool.name: tool.parameters or {"properties": {}, "additionalProperties": False} for tool in tools}
    for _ in range(3):
        said = draw(constraint, vocabulary, CLOSERS[family.name], rng)
        for n_piece in (len(said), 3):
            calls = read(family, tools, said, n_piece)
            assert len(calls) == 1, (said, calls)
            name, arguments = calls[0]
            said_again = json.dumps(arguments, ensure_ascii=False)
            assert follow(from_schema(schemas[name], is_lenient=True), said_again) == "whole", (said, arguments)


CLOSERS = {
    "Gemma 4": ('<|"|>', '<|"|>}', "]", "}"),
    "FunctionGemma": ("<escape>", "<escape>}", "]", "}"),
    "Llama 4": ('"', '")', "]", "}"),
    "gpt-oss": ("<|end|><|start|>assistant", '"', '"}', "]"),
}
BARE = ("Gemma 4", "FunctionGemma")
BY_NAME = {family.name: family for family in FAMILIES}


def marks_of(family: Family) -> list[str]:
    """The control tokens that the family's models have."""
    return sorted({token for marker in family.markers for token in re.findall(r"<[^<>\s]+>", marker)})


@pytest.mark.parametrize("has_control_tokens", [False, True])
@pytest.mark.parametrize("name", ["Gemma 4", "FunctionGemma", "Llama 4"])
@pytest.mark.parametrize("seed", range(12))
def test_what_is_prescribed_is_what_the_parser_reads(name: str, has_control_tokens: bool, seed: int) -> None:
    family, rng = BY_NAME[name], random.Random(seed)
    vocabulary = Marked(marks_of(family) if has_control_tokens else ())
    tools = drawn_tools(rng, KEYS + ODD_KEYS if name in BARE else KEYS)
    assert family.own_form is not None
    controls = control_pieces(vocabulary)
    grammar = calls_grammar(family.own_form, tools, controls, is_required=True, allows_several=False)
    check(family, tools, grammar, vocabulary, seed)


@pytest.mark.parametrize("has_control_tokens", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_call_in_a_channel_is_what_the_parser_reads(has_control_tokens: bool, seed: int) -> None:
    family, rng = BY_NAME["gpt-oss"], random.Random(seed)
    vocabulary = Marked(marks_of(family), ("<|return|>", "<|call|>")) if has_control_tokens else Marked()
    tools = drawn_tools(rng, KEYS + ODD_KEYS, JSON_KINDS)
    check(family, tools, channel_call_grammar(tools, control_pieces(vocabulary)), vocabulary, seed)


def pythonic(parameters: object, *, allows_several: bool = False, name: str = "f") -> Constraint:
    form = BY_NAME["Llama 4"].own_form
    assert form is not None
    tools = [CallableTool(name, parameters), CallableTool("now")]
    return calls_grammar(form, tools, {}, is_required=True, allows_several=allows_several)


def bare(parameters: object, name: str = "Gemma 4", *, is_required: bool = True) -> Constraint:
    form = BY_NAME[name].own_form
    assert form is not None
    return calls_grammar(form, [CallableTool("f", parameters)], {}, is_required=is_required, allows_several=True)


def object_of(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


def test_calls_as_models_write_them() -> None:
    place = object_of(city={"type": "string"}, days={"type": "integer"}, units={"enum": ["C", "F"]})
    for said in (
        'call:f{city:<|"|>New "York"<|"|>,days:3}',
        'call:f{city:<|"|><|"|>,units:<|"|>F<|"|>}',
        "call:f{days:-1}",
        "call:f{}",
    ):
        assert follow(bare(place), f"<|tool_call>{said}<tool_call|>") == "whole"
    for said in ("call:g{}", "call:f{days:x}", 'call:f{units:<|"|>K<|"|>}', "call:f{days:1,days:2}", "f{}"):
        assert follow(bare(place), f"<|tool_call>{said}<tool_call|>").startswith("stuck")
    for said in ('[f(city="a\\n\\"b\\"", days=3)]', '[f(days=3,units="C")]', "[f()]", "[now()]"):
        assert follow(pythonic(place), said) == "whole"
        assert follow(pythonic(place), f"<|python_start|>{said}<|python_end|>") == "whole"
    for said in ("[f(1)]", "[g()]", "[]", "f()", "[f(days=3), now()]"):
        assert follow(pythonic(place), said) != "whole"
    # Python's strings end with their line, and know fewer escapes than JSON's.
    for string in ("a\nb", "a\\/b", "a\\ud83d", "a\x00b"):
        assert follow(pythonic(place), f'[f(city="{string}")]').startswith("stuck")
    assert follow(pythonic(place, allows_several=True), "[f(days=3), now()]") == "whole"


def test_free_text_may_come_before_a_call_that_is_not_required() -> None:
    strict = bare(object_of(n={"type": "integer"}), is_required=False)
    assert follow(strict, "It rains.") == "whole"
    assert follow(strict, "Let me look.<|tool_call>call:f{n:1}<tool_call|>") == "whole"
    assert follow(strict, "<|tool_call>call:f{n:x}<tool_call|>").startswith("stuck")


def test_values_that_a_schema_leaves_open() -> None:
    free = bare(
        {
            "type": "object",
            "properties": {"x": {}, "m": {"type": "object", "additionalProperties": {"type": "integer"}}},
        }
    )
    for value in ("1", "true", "null", '<|"|>a<|"|>', "[1,[]]", '{k:<|"|>v<|"|>,n:{}}'):
        assert follow(free, f"<|tool_call>call:f{{x:{value}}}<tool_call|>") == "whole"
    assert follow(free, "<|tool_call>call:f{m:{a:1,b:2}}<tool_call|>") == "whole"
    assert follow(free, "<|tool_call>call:f{m:{a:true}}<tool_call|>").startswith("stuck")
    assert follow(pythonic({"type": "object", "properties": {"x": {}}}), '[f(x={"a": [True, None, 1.5e3]})]') == "whole"
    assert follow(bare({"type": "object"}), "<|tool_call>call:f{any:1,thing:true}<tool_call|>") == "whole"


def test_schemas_that_refer_and_combine() -> None:
    tree = object_of(root={"$ref": "#/$defs/node"})
    node = object_of(value={"type": "integer"}, left={"$ref": "#/$defs/node"}) | {"required": ["value"]}
    tree["$defs"] = {"node": node}
    assert follow(bare(tree), "<|tool_call>call:f{root:{value:1,left:{value:2}}}<tool_call|>") == "whole"
    assert follow(bare(tree), "<|tool_call>call:f{root:{left:{value:2}}}<tool_call|>").startswith("stuck")
    both = {"allOf": [object_of(a={"type": "integer"}), object_of(b={"type": "boolean"}) | {"required": ["b"]}]}
    assert follow(bare(both), "<|tool_call>call:f{a:1,b:true}<tool_call|>") == "whole"
    assert follow(bare(both), "<|tool_call>call:f{a:1}<tool_call|>").startswith("stuck")
    pair = object_of(p={"type": "array", "prefixItems": [{"type": "integer"}, {"type": "boolean"}], "items": False})
    assert follow(bare(pair), "<|tool_call>call:f{p:[1,true]}<tool_call|>") == "whole"
    assert follow(bare(pair), "<|tool_call>call:f{p:[1,true,1]}<tool_call|>").startswith("stuck")


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: bare({"type": "array"}), "tool f: arguments are an object"),
        (lambda: bare(object_of(a={"enum": ['<|"|>']})), "would end a text"),
        (lambda: bare(object_of(a={"$ref": "#/$defs/none"})), "tool f"),
        (lambda: bare(object_of(a={"allOf": [{"minimum": 1}, {"minimum": 2}]})), "minimum is given twice"),
        (lambda: pythonic(object_of(**{"a b": {}})), "'a b' is no name of a parameter"),
        (lambda: pythonic({}, name="a-b"), "a name in Python"),
        (lambda: channel_call_grammar([CallableTool("a b")], {}), "tool a b: a name has no spaces"),
        (lambda: channel_call_grammar([], {}), "no tool"),
    ],
)
def test_what_cannot_be_written(make: Callable[[], Constraint], part: str) -> None:
    with pytest.raises(ConstraintError, match=re.escape(part)):
        make()


def test_a_call_in_a_channel() -> None:
    grammar = channel_call_grammar([CallableTool("f", object_of(n={"type": "integer"}))], {})
    thought = "<|channel|>analysis<|message|>So.<|end|><|start|>assistant"
    call = '<|channel|>commentary to=functions.f <|constrain|>json<|message|>{"n": 1}<|call|>'
    turned = ' to=functions.f<|channel|>commentary json<|message|>{"n": 1}<|call|>'
    for said in (call, turned, thought + call, thought + thought + turned):
        assert follow(grammar, said) == "whole"
    for said in (
        "Hello",
        "<|channel|>final<|message|>Hi",
        call.replace(".f", ".g"),
        call.replace("1", "x"),
        call + call,
    ):
        assert follow(grammar, said).startswith("stuck") or follow(grammar, said) == "open"


def test_thoughts_that_a_reply_begins_with() -> None:
    family = BY_NAME["Gemma 4"]
    vocabulary = Marked(marks_of(family))
    controls, (opening, end) = control_pieces(vocabulary), family.reasoning[0]
    form = family.own_form
    assert form is not None
    call, tools = "<|tool_call>call:f{}<tool_call|>", [CallableTool("f")]
    for is_required in (True, False):
        grammar = calls_grammar(form, tools, controls, is_required=is_required, allows_several=False)
        thinking = grammar.after_thoughts(opening, end, controls)
        for said in (call, f"{opening}\nSo.{end}{call}", f"{opening}{end}\n{call}"):
            assert follow(thinking, said, vocabulary) == "whole"
        said = f"{opening}\nSo.{end}It rains."
        assert (follow(thinking, said, vocabulary) == "whole") is not is_required
        assert follow(thinking, f"{opening}\nSo.{end}{opening}", vocabulary).startswith("stuck")
        assert follow(grammar, f"{opening}\nSo.", vocabulary).startswith("stuck")
        # Where the marks are plain text, any text could be taken for thoughts.
        assert grammar.after_thoughts(opening, end, {}) == grammar
