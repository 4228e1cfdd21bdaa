"""A call as a grammar, in replies that are messages with channels, as gpt-oss writes them."""

import re
from collections.abc import Sequence
from dataclasses import replace

from segue.chat.reply.family import CHANNEL_END
from segue.grammar.calls import CallableTool, Controls, arguments_of
from segue.grammar.constraint import Constraint, bounded
from segue.grammar.errors import ConstraintError
from segue.grammar.marks import BLANKS, TEXT, atoms, mark_rule, text_until_rule

_NEXT = f"{CHANNEL_END}<|start|>assistant"
_NAME = re.compile(r"[^\s<]+")
_BEFORE = ("analysis", "commentary")
"""The channels of what may come before a call."""


def channel_call_grammar(tools: Sequence[CallableTool], controls: Controls) -> Constraint:
    """A reply that is a call, with thoughts and words to the user before it if the model likes.

    The reply begins behind `<|start|>assistant`. `controls`: the control tokens of the vocabulary by their text.
    Keywords of the schemas that cannot be enforced are passed over. Raises ConstraintError with the tool's name.
    """
    if not tools:
        raise ConstraintError("there is no tool to call")
    names = " | ".join(f"call_{i}" for i in range(len(tools)))
    lead = [
        "start: before* @reply",
        "before: before_head before_text",
        "before_head: " + " | ".join(_mark(f"<|channel|>{name}<|message|>", controls) for name in _BEFORE),
        text_until_rule("before_text", _NEXT, controls),
        TEXT,
    ]
    rules = [
        f"start: ({names}) _BLANKS? end?",
        mark_rule("end", "<|call|>", controls),
        f'type: " "? {_mark("<|constrain|>", controls)} "json" | " json"',
        mark_rule("message", "<|message|>", controls),
        BLANKS,
        *(_call_rules(i, tool, controls) for i, tool in enumerate(tools)),
    ]
    return replace(bounded("\n".join(rules)), lead="\n".join(lead))


def _mark(mark: str, controls: Controls) -> str:
    return " ".join(atoms(mark, controls))


def _call_rules(i: int, tool: CallableTool, controls: Controls) -> str:
    """The rules of one call. The recipient stands behind the channel or before it; gpt-oss writes both."""
    if not _NAME.fullmatch(tool.name):
        raise ConstraintError(f"tool {tool.name}: a name has no spaces here, and no <")
    behind = _mark(f"<|channel|>commentary to=functions.{tool.name}", controls)
    before = f"{_mark(f' to=functions.{tool.name}<|channel|>commentary', controls)}"
    try:
        arguments = arguments_of(tool)
    except ConstraintError as error:
        raise ConstraintError(f"tool {tool.name}: {error}") from error
    head = f"({behind} | {before}) type? message"
    return f"call_{i}: {head} _BLANKS? arguments_{i}\narguments_{i}: {arguments}"
