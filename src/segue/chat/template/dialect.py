"""The form of messages that a chat template takes, found by trying it."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from segue.chat.template.content_form import ContentForm, find_content_form
from segue.chat.template.order import FIRST, SECOND, Message, Order, Speaker, find_order
from segue.chat.template.sandbox import TemplateError
from segue.chat.template.tool_form import Tool, ToolForm, find_tool_form

Try = Callable[[list[Message], dict[str, Any]], str]
"""Renders messages with further variables. Raises TemplateError."""

REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
_MARK, _BEFORE = SECOND, FIRST
_TOOL = {
    "type": "function",
    "function": {
        "name": "trial",
        "description": "A trial",
        "parameters": {"type": "object", "properties": {"key": {"type": "string", "description": "A key"}}},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How messages must be shaped for one template. The defaults suit one about which nothing was found.

    `takes_parts`: content is a list of parts, and a string would be lost. `takes_objects`: the arguments of a tool
    call are an object, not JSON text. `takes_null_content`: beside tool calls content is null, not empty.
    `takes_null_tools`: without tools the variable is null, not undefined. `takes_system`, `takes_developer`: it
    knows these roles; `takes_late_system`: it writes the first one where it stands, also behind other messages.
    `reasoning_field`: where it looks for an assistant's reasoning; `takes_thought_and_text`: it allows both reasoning
    and content beside a tool call. `content` and `tools`: the forms of these. `order`: which sequences of messages it
    takes.
    """

    takes_parts: bool = False
    takes_objects: bool = True
    takes_null_content: bool = False
    takes_null_tools: bool = True
    takes_system: bool = True
    takes_developer: bool = False
    takes_late_system: bool = False
    takes_thought_and_text: bool = True
    reasoning_field: str = REASONING_FIELDS[0]
    content: ContentForm = field(default_factory=ContentForm)
    tools: ToolForm = field(default_factory=ToolForm)
    order: Order = field(default_factory=Order)


def find_dialect(source: str, render: Try) -> Dialect:
    """The dialect of the template `source`, which `render` runs two dozen times on small conversations."""

    def tried(messages: list[Message], variables: dict[str, Any]) -> str:
        try:
            return render(messages, variables)
        except TemplateError:
            return ""

    def takes_tools(tools: Sequence[Tool], further: Mapping[str, Any]) -> bool:
        told = [{**further, "tools": list(tools) or None}] + ([] if tools else [dict(further)])
        return any(_MARK in tried([_user(said)], one) for said in (_MARK, _parts(_MARK)) for one in told)

    tool_form = find_tool_form(takes_tools)

    def shown(messages: list[Message], tools: object = None) -> str:
        variables = {} if tools is _UNDEFINED else {"tools": tools}
        return tried(messages, {**variables, **tool_form.variables(tools if isinstance(tools, list) else ())})

    def shows(messages: list[Message], tools: object = None) -> bool:
        text = shown(messages, tools)
        return _MARK in text and "{'" not in text

    takes_parts = not shows([_user(_MARK)]) and shows([_user(_parts(_MARK))])
    content = _parts if takes_parts else str
    asked = [_user(content(_MARK))]
    takes_null_tools = shows(asked) or not shows(asked, _UNDEFINED)
    no_tools = None if takes_null_tools else _UNDEFINED
    has_system = shows([{"role": "system", "content": content(_MARK)}, _user(content("u"))], no_tools)
    late = [
        _user(content(_BEFORE)),
        {"role": "system", "content": content(_MARK)},
        {"role": "assistant", "content": content("a")},
        _user(content("u")),
    ]
    forms = [(as_object, is_null) for is_null in (False, True) for as_object in (True, False)]
    takes_objects, takes_null_content = next(
        (
            (as_object, is_null)
            for as_object, is_null in forms
            if shows(_call(as_object, None if is_null else content(""), content), [_TOOL])
        ),
        (True, False),
    )
    reasoning_field = next(
        (name for name in REASONING_FIELDS if re.search(rf"""[.'"]{name}\b""", source)), REASONING_FIELDS[0]
    )
    thought = {reasoning_field: "thought"}

    def writes(messages: Sequence[Message], *, has_tools: bool = False) -> bool:
        has_tools = has_tools or any(message["role"] == "tool" for message in messages)
        before, mark, _ = shown(list(messages), [_TOOL] if has_tools else no_tools).rpartition(_MARK)
        return bool(mark) and (_BEFORE in before or _BEFORE not in str(messages))

    def say_call(ids: Sequence[str], arguments: object) -> Message:
        written = arguments if takes_objects or isinstance(arguments, str) else json.dumps(arguments)
        calls = [{"id": i, "type": "function", "function": {"name": "trial", "arguments": written}} for i in ids]
        return {"role": "assistant", "content": None if takes_null_content else content(""), "tool_calls": calls}

    say = Speaker(content, say_call)

    def render_content(messages: Sequence[Message]) -> str:
        return shown(list(messages), [_TOOL] if any("tool_calls" in message for message in messages) else no_tools)

    return Dialect(
        takes_parts=takes_parts,
        takes_objects=takes_objects,
        takes_null_content=takes_null_content,
        takes_null_tools=takes_null_tools,
        takes_system=has_system or not shows(asked, no_tools),
        takes_developer=re.search(r"""["']developer["']""", source) is not None,
        takes_late_system=_BEFORE in shown(late, no_tools).rpartition(_MARK)[0],
        takes_thought_and_text=shows(_call(takes_objects, content("x"), content, thought), [_TOOL])
        or not shows(_call(takes_objects, content(""), content, thought), [_TOOL]),
        reasoning_field=reasoning_field,
        content=find_content_form(source, say, render_content, reasoning_field),
        tools=tool_form,
        order=find_order(say, writes, takes_system=has_system),
    )


_UNDEFINED = object()


def _user(content: object) -> Message:
    return {"role": "user", "content": content}


def _parts(text: str) -> list[Message]:
    return [{"type": "text", "text": text}]


def _call(
    as_object: bool, beside: object, content: Callable[[str], object], further: Mapping[str, Any] = MappingProxyType({})
) -> list[Message]:
    arguments = {"key": _MARK} if as_object else f'{{"key": "{_MARK}"}}'
    call = {"id": "call00001", "type": "function", "function": {"name": "trial", "arguments": arguments}}
    return [
        _user(content("u")),
        {"role": "assistant", "content": beside, "tool_calls": [call], **further},
        {"role": "tool", "tool_call_id": "call00001", "name": "trial", "content": content("t")},
        {"role": "assistant", "content": content("a")},
        _user(content("u")),
    ]
