"""Derives a chat's constraint: the tool call that the client demands, or the format that it asks for."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue.api.intake.constraints import Wanted, wanted_by
from segue.api.intake.requests import ChatRequest
from segue.chat.reply.family import Family
from segue.chat.reply.reply_format import ReplyFormat
from segue.grammar.calls import CallableTool, Controls, calls_grammar
from segue.grammar.channel_calls import channel_call_grammar
from segue.grammar.constraint import Constraint
from segue.grammar.errors import ConstraintError
from segue.serving.errors import invalid

_FINAL = "<|channel|>final<|message|>"
"""What gpt-oss writes before its answer."""

_CHOICE = "tool_choice"
_WORDS = (None, "auto", "none", "required")
Definitions = Sequence[Mapping[str, Any]]


def check_tool_choice(request: ChatRequest) -> None:
    """Refuse a choice that does not exist. Raises ApiError."""
    choice, names = request.tool_choice, [_name(tool) for tool in request.tools or ()]
    if isinstance(choice, Mapping):
        if _name(choice) not in names:
            raise invalid(f"Field 'tool_choice': there is no tool {_name(choice)!r}")
    elif choice not in _WORDS:
        raise invalid("Field 'tool_choice': it must be auto, none, required, or name a tool")
    elif choice == "required" and not names:
        raise invalid("Field 'tool_choice': it is required, and there are no tools")


def wanted_of_chat(request: ChatRequest, reply_format: ReplyFormat, controls: Controls) -> Wanted | None:
    """The form that replies must have, after any reasoning; None if they are free. Raises ApiError.

    Arguments follow their schemas where a call is demanded, or where a tool is `strict` and nothing else is asked for.
    """
    wanted, calls = wanted_by(request), _calls(request, reply_format, controls)
    if wanted is not None and calls is not None and calls.field == _CHOICE:
        raise invalid(
            f"Fields '{wanted.field}' and '{calls.field}' exclude each other: both say what the reply must be"
        )
    wanted = wanted or calls
    if wanted is None:
        return None
    return wanted._replace(constraint=_behind_reasoning(wanted.constraint, reply_format, controls, wanted is calls))


def _behind_reasoning(
    constraint: Constraint, reply_format: ReplyFormat, controls: Controls, is_calls: bool
) -> Constraint:
    """The constraint for a whole reply, which may begin with reasoning or begin in it."""
    family = reply_format.family
    if family.has_channels:
        return constraint if is_calls else constraint.after_text(_FINAL, controls)
    if reply_format.reasoning_end:
        return constraint.after_text(reply_format.reasoning_end, controls)
    for opening, end in family.reasoning:
        constraint = constraint.after_thoughts(opening, end, controls)
    return constraint


def _calls(request: ChatRequest, reply_format: ReplyFormat, controls: Controls) -> Wanted | None:
    choice, tools = request.tool_choice, reply_format.tools
    is_required = choice == "required" or isinstance(choice, Mapping)
    if choice == "none" or not (is_required or any(_is_strict(tool) for tool in tools)):
        return None
    named = [tool for tool in tools if not isinstance(choice, Mapping) or _name(tool) == _name(choice)]
    field = _CHOICE if is_required else "tools"
    callables = [CallableTool(_name(tool), _function(tool).get("parameters")) for tool in named]
    try:
        grammar = _grammar(
            reply_format.family,
            callables,
            controls,
            is_required=is_required,
            allows_several=request.parallel_tool_calls is not False and not isinstance(choice, Mapping),
        )
    except ConstraintError as error:
        if not is_required:
            # Clients mark their tools as strict whatever the model: their own check of the arguments is left.
            return None
        raise invalid(f"Field '{field}': {error}") from error
    return Wanted(field, grammar)


def _grammar(
    family: Family, tools: Sequence[CallableTool], controls: Controls, *, is_required: bool, allows_several: bool
) -> Constraint:
    if family.has_channels and is_required:
        return channel_call_grammar(tools, controls)
    if family.own_form is None:
        raise ConstraintError("the calls that this model writes cannot be prescribed")
    return calls_grammar(family.own_form, tools, controls, is_required=is_required, allows_several=allows_several)


def _is_strict(tool: Mapping[str, Any]) -> bool:
    return _function(tool).get("strict") is True


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function")
    return function if isinstance(function, Mapping) else {}


def _name(tool: Mapping[str, Any]) -> str:
    return str(_function(tool).get("name", ""))
