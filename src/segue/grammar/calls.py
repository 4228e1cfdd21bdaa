"""Tool calls as a grammar: a name, and arguments that follow the tool's schema, in the form that a family writes."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segue.chat.reply.family import ElementForm, Form, JsonForm, NamedForm, PythonicForm
from segue.grammar.constraint import Constraint, bounded, embedded
from segue.grammar.errors import ConstraintError
from segue.grammar.marks import BLANKS, TEXT, atoms, mark_rule, text_until_rule
from segue.grammar.values import BARE_WORDS, PYTHON_WORDS, Brackets, ValueNotation, ValueRules

Controls = Mapping[str, int]
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_KEYWORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class CallableTool:
    """A tool that may be called. `parameters`: the JSON schema of its arguments, None if it takes none."""

    name: str
    parameters: object = None


def calls_grammar(
    form: Form, tools: Sequence[CallableTool], controls: Controls, *, is_required: bool, allows_several: bool
) -> Constraint:
    """A reply that is a call, or several; unless they are required, text may come before, or instead.

    `controls`: the control tokens of the vocabulary by their text; the marks of the form may contain some. Keywords
    of the schemas that cannot be enforced are passed over. Raises ConstraintError with the tool's name, or if calls of
    this form cannot be prescribed.
    """
    if isinstance(form, PythonicForm):
        return _python_calls(form, tools, controls, is_required=is_required, allows_several=allows_several)
    opening, *inner = filter(None, (form.section[0], form.call[0])) if form.openers else ("",)
    if not tools:
        raise ConstraintError("there is no tool to call")
    if not (is_required or opening):
        raise ConstraintError("calls without an opening cannot be told from text")
    if is_required:
        more = " (_BLANKS? call)*" if allows_several else ""
        rules = [f"start: call{more}", mark_rule("open", opening, controls), TEXT]
    else:
        start = "start: call* TEXT?" if allows_several else "start: call | TEXT?"
        rules = [start, text_until_rule("open", opening, controls), TEXT]
    names = " | ".join(f"call_{i}" for i in range(len(tools)))
    # Behind a mark that ends in the middle of a name's tag, blanks would belong to the name.
    before = [f"_BLANKS? {' '.join(atoms(mark, controls))}" for mark in inner]
    before += ["_BLANKS?"] if isinstance(form, JsonForm) else []
    behind = [f"_BLANKS? {' '.join(atoms(mark, controls))}" for mark in (form.call[1], form.section[1]) if mark]
    rules += [
        " ".join(["call: open", *before, f"({names})", *behind]),
        BLANKS,
        *(_call_rules(i, tool, form, controls) for i, tool in enumerate(tools)),
    ]
    return bounded("\n".join(rules))


def _call_rules(i: int, tool: CallableTool, form: Form, controls: Controls) -> str:
    """The rules of a call, without its surroundings."""
    try:
        match form:
            case JsonForm():
                return _json_rules(i, tool, form, controls)
            case NamedForm() if form.quote == '"':
                head = " ".join(atoms(tool.name + form.ends[0], controls))
                return f"call_{i}: {head} _BLANKS? arguments_{i}\narguments_{i}: {arguments_of(tool)}"
            case NamedForm():
                return _bare_rules(i, tool, form, controls)
            case ElementForm():
                return _element_rules(i, tool, form, controls)
            case PythonicForm():
                return _python_rules(i, tool, controls)
    except ConstraintError as error:
        raise ConstraintError(f"tool {tool.name}: {error}") from error
    raise ConstraintError("the calls that this model writes cannot be prescribed")


def _python_calls(
    form: PythonicForm, tools: Sequence[CallableTool], controls: Controls, *, is_required: bool, allows_several: bool
) -> Constraint:
    """A list of calls. Where it is required, its marks may be left out, as models leave them out."""
    opening, closing = form.section
    if not tools:
        raise ConstraintError("there is no tool to call")
    if not (is_required or opening):
        raise ConstraintError("calls without an opening cannot be told from text")
    more = ' ("," " "? call)*' if allows_several else ""
    end = f"({' '.join(atoms(closing, controls))})?" if closing else ""
    names = " | ".join(f"call_{i}" for i in range(len(tools)))
    start = f"start: open list {end} | {'list' if is_required else 'TEXT?'}"
    rules = [
        start,
        (mark_rule if is_required else text_until_rule)("open", opening, controls),
        f'list: "[" call{more} "]"',
        f"call: {names}",
        TEXT,
        *(_call_rules(i, tool, form, controls) for i, tool in enumerate(tools)),
    ]
    return bounded("\n".join(rules))


def _python_rules(i: int, tool: CallableTool, controls: Controls) -> str:
    if not _NAME.fullmatch(tool.name):
        raise ConstraintError("a name in Python has letters, digits, points and underscores")
    notation = ValueNotation(quote='"', words=PYTHON_WORDS, gap='" "?')
    values = ValueRules(_parameters(tool), notation, controls, f"value_{i}")
    arguments = values.root_object(Brackets("(", ")", "=", has_gap=False), _keyword)
    return "\n".join((f"call_{i}: {' '.join(atoms(tool.name, controls))} {arguments}", *values.rules))


def _keyword(key: str) -> str:
    if not _KEYWORD.fullmatch(key):
        raise ConstraintError(f"{key!r} is no name of a parameter in Python")
    return key


def _bare_rules(i: int, tool: CallableTool, form: NamedForm, controls: Controls) -> str:
    values = ValueRules(
        _parameters(tool), ValueNotation(quote=form.quote, words=BARE_WORDS, has_bare_keys=True), controls, f"value_{i}"
    )
    arguments = values.root_object(Brackets(), values.key)
    return "\n".join((f"call_{i}: {' '.join(atoms(tool.name + form.ends[0], controls))} {arguments}", *values.rules))


def _json_rules(i: int, tool: CallableTool, form: JsonForm, controls: Controls) -> str:
    name = (_quoted(form.name_keys[0]), ":", _quoted(tool.name))
    parts = ("{", *name, ",", _quoted(form.arguments_keys[0]), ":")
    head = " _BLANKS? ".join(" ".join(atoms(part, controls)) for part in parts)
    return f'call_{i}: {head} _BLANKS? arguments_{i} _BLANKS? "}}"\narguments_{i}: {arguments_of(tool)}'


def _element_rules(i: int, tool: CallableTool, form: ElementForm, controls: Controls) -> str:
    """Parameters in the schema's order, each at most once: those that are required, and any of the others."""
    quote, line = '"' if form.has_attributes else "", "\n" if form.strips_line else ""
    parameters: Mapping[str, Any] = tool.parameters if isinstance(tool.parameters, Mapping) else {}
    properties, required = parameters.get("properties") or {}, parameters.get("required") or ()
    shared = {name: parameters[name] for name in ("$defs", "definitions") if name in parameters}
    rules, elements = [], []
    for k, (key, schema) in enumerate(properties.items()):
        own = dict(schema) if isinstance(schema, Mapping) else {}
        head = " ".join(atoms(form.parameter[0] + key + quote + "".join(form.key_ends) + line, controls))
        end = line + form.parameter[1]
        element, value = f"element_{i}_{k}", f"value_{i}_{k}"
        rules.append(f"{element}: {head} {value}")
        if own.get("type") != "string":
            rules.append(f"{value}: json_{value} {' '.join(atoms(end, controls))}")
            rules.append(f"json_{value}: {embedded(own | shared, is_lenient=True)}")
        elif "enum" in own:
            texts = " | ".join(" ".join(atoms(str(one), controls)) for one in own["enum"])
            rules.append(f"{value}: ({texts}) {' '.join(atoms(end, controls))}")
        else:
            rules.append(text_until_rule(value, end, controls))
        elements.append(f"(_BLANKS? {element}){'' if key in required else '?'}")
    head = " ".join(atoms(tool.name + quote + form.name_end, controls))
    return "\n".join([f"call_{i}: {' '.join([head, *elements])}", *rules])


def arguments_of(tool: CallableTool) -> str:
    """The arguments as JSON, a part of a rule. Raises ConstraintError."""
    return embedded(_parameters(tool), is_lenient=True)


def _parameters(tool: CallableTool) -> object:
    return _NO_PARAMETERS if tool.parameters is None else tool.parameters


def _quoted(text: str) -> str:
    """A text as JSON writes it."""
    return json.dumps(text, ensure_ascii=False)
