"""Tool calls as a grammar: a name, and arguments that follow the tool's schema, in the form that a model writes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from segue.grammar.constraint import Constraint, bounded, embedded
from segue.grammar.errors import ConstraintError
from segue.grammar.marks import BLANKS, TEXT, mark_rule, text_until_rule

_NO_PARAMETERS = {"type": "object", "properties": {}, "additionalProperties": False}


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that may be called. `parameters`: the JSON schema of its arguments, None if it takes none."""

    name: str
    parameters: object = None


@dataclass(frozen=True, slots=True)
class CallForm:
    """How a family writes a call: `opening`, an object with the two keys in this order, `closing`; blanks between.

    Either mark may be empty, `opening` only where calls are required.
    """

    opening: str
    closing: str
    name_key: str = "name"
    arguments_key: str = "arguments"


def calls_grammar(
    form: CallForm, tools: Sequence[Tool], controls: Mapping[str, int], *, is_required: bool, allows_several: bool
) -> Constraint:
    """A reply that is a call, or several; unless they are required, text may come before, or instead.

    `controls`: the control tokens of the vocabulary by their text; the marks of the form may contain some. Keywords
    of the schemas that cannot be enforced are passed over. Raises ConstraintError with the tool's name.
    """
    if not tools:
        raise ConstraintError("there is no tool to call")
    if not (is_required or form.opening):
        raise ConstraintError("calls without an opening cannot be told from text")
    if is_required:
        more = " (_BLANKS? call)*" if allows_several else ""
        rules = [f"start: call{more}", mark_rule("open", form.opening, controls)]
    else:
        start = "start: call* TEXT?" if allows_several else "start: call | TEXT?"
        rules = [start, text_until_rule("open", form.opening, controls), TEXT]
    names = " | ".join(f"call_{i}" for i in range(len(tools)))
    rules += [
        f"call: open _BLANKS? ({names}) _BLANKS? close",
        mark_rule("close", form.closing, controls),
        BLANKS,
        *(_call_rules(i, tool, form) for i, tool in enumerate(tools)),
    ]
    return bounded("\n".join(rules))


def _call_rules(i: int, tool: Tool, form: CallForm) -> str:
    try:
        arguments = embedded(_NO_PARAMETERS if tool.parameters is None else tool.parameters, is_lenient=True)
    except ConstraintError as error:
        raise ConstraintError(f"tool {tool.name}: {error}") from error
    parts = ("{", _json(form.name_key), ":", _json(tool.name), ",", _json(form.arguments_key), ":")
    head = " _BLANKS? ".join(map(_json, parts))
    return f'call_{i}: {head} _BLANKS? arguments_{i} _BLANKS? "}}"\narguments_{i}: {arguments}'


def _json(text: str) -> str:
    """A text as JSON and as Lark write it alike."""
    return json.dumps(text, ensure_ascii=False)
