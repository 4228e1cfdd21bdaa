"""Messages as clients send them, brought into the form that a template takes."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segue.chat.content import text_of
from segue.chat.template.arrangement import BETWEEN, arranged
from segue.chat.template.dialect import REASONING_FIELDS, Dialect
from segue.chat.template.order import Message
from segue.chat.template.sandbox import TemplateError
from segue.chat.template.turns import Turn

_LEADING_ROLES = ("system", "developer")
_ARGUMENTS = "arguments"
"""The name under which arguments stand that a model did not write as an object."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in a template's dialect. The dicts are new; nothing of the client's is shared that could change.

    `n_told` messages of the client became these. `origins[i]` is the client's index of message `i`: of the first that
    became part of it, or of the one before which it was put. `leading` are the texts of the system prompt's messages,
    the first of the conversation. `n_leading` of `messages` hold them; where the template has no system role, the
    first `n_merged` characters of the message after them do.
    """

    messages: list[Message]
    origins: tuple[int, ...]
    leading: tuple[str, ...]
    n_leading: int
    n_told: int
    n_merged: int = 0

    def own_text(self, index: int) -> str:
        """What message `index` itself says, without a merged system prompt and the white space around it."""
        text = text_of(self.messages[index].get("content"))
        return (text[self.n_merged :] if index == self.n_leading else text).strip()

    def with_mark(self, mark: str, indices: Collection[int]) -> list[Message]:
        """The messages, with `mark` before the own text of those at `indices`."""
        marked = list(self.messages)
        for index in indices:
            content = self.messages[index].get("content")
            text, own = text_of(content), self.own_text(index)
            n_before = len(text.rstrip()) - len(own)
            text = text[:n_before] + mark + text[n_before:]
            marked[index] = {**marked[index], "content": _parts(text) if isinstance(content, list) else text}
        return marked


def shape(messages: Sequence[Mapping[str, Any]], dialect: Dialect, *, has_tools: bool = False) -> Conversation:
    """Bring OpenAI messages into the template's dialect, with tools on offer or without.

    Raises `TemplateError` for what no template can take.
    """
    if not all(isinstance(message, Mapping) for message in messages):
        raise TemplateError("each message must be an object")
    turns = [Turn(_shape_message(message, dialect), index) for index, message in enumerate(messages)]
    n_leading = next((i for i, m in enumerate(messages) if m.get("role") not in _LEADING_ROLES), len(messages))
    system, turns = turns[:n_leading], turns[n_leading:]
    leading = tuple(turn.text for turn in system)
    if not dialect.takes_late_system:
        turns = [turn.by("user") if turn.role in _LEADING_ROLES else turn for turn in turns]
    takes_no_user = dialect.order.takes_no_user_with_tools if has_tools else dialect.order.takes_no_user
    needs_user = not takes_no_user or (bool(leading) and not dialect.takes_system)
    turns = arranged(turns, dialect.order, needs_user=needs_user, n_told=len(messages))
    n_merged = 0
    if leading and not dialect.takes_system:
        merged = "".join(text + "\n" for text in leading)
        system, turns[0], n_merged = [], turns[0].saying(merged + turns[0].text), len(merged)
    elif len(leading) > 1 and not dialect.order.takes_second_system:
        system = [system[0].saying(BETWEEN.join(leading))]
    told = [*system, *turns]
    return Conversation(
        [_formed(turn.message, dialect) for turn in told],
        tuple(turn.origin for turn in told),
        leading,
        n_leading=len(system),
        n_told=len(messages),
        n_merged=n_merged,
    )


def _shape_message(message: Mapping[str, Any], dialect: Dialect) -> Message:
    """A message with the names that the template knows, and with text for its content."""
    shaped = {key: value for key, value in message.items() if value is not None and key not in REASONING_FIELDS}
    if not shaped.get("tool_calls"):
        shaped.pop("tool_calls", None)
    if shaped.get("role") == "developer" and not dialect.takes_developer:
        shaped["role"] = "system"
    reasoning = next((message[field] for field in REASONING_FIELDS if message.get(field)), None)
    if reasoning is not None:
        shaped[dialect.reasoning_field] = text_of(reasoning)
    return {**shaped, "content": text_of(message.get("content"))}


def _formed(message: Message, dialect: Dialect) -> Message:
    """A message with content and calls in the form that the template takes."""
    formed, text = dict(message), message["content"]
    formed["content"] = _parts(text) if dialect.takes_parts else text
    if "tool_calls" in formed:
        formed["tool_calls"] = [_shape_call(call, dialect) for call in formed["tool_calls"]]
        if not text and dialect.takes_null_content:
            formed["content"] = None
        elif dialect.reasoning_field in formed and not dialect.takes_thought_and_text:
            del formed["content"]
    return formed


def _shape_call(call: object, dialect: Dialect) -> object:
    if not isinstance(call, Mapping) or not isinstance(call.get("function"), Mapping):
        return call
    function = dict(call["function"])
    arguments = function.get("arguments")
    if dialect.takes_objects and not isinstance(arguments, Mapping):
        function["arguments"] = _object(arguments, takes_text=dialect.order.takes_text_arguments)
    elif not dialect.takes_objects and not isinstance(arguments, str):
        function["arguments"] = json.dumps({} if arguments is None else arguments, ensure_ascii=False)
    return {**call, "function": function}


def _object(arguments: object, *, takes_text: bool) -> object:
    """The object that arguments say. A model may have written anything: what is none stays text, or is put into one."""
    value = arguments
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments) if arguments.strip() else None
        except (ValueError, RecursionError):
            value = arguments
    if value is None or isinstance(value, dict):
        return value or {}
    return arguments if takes_text else {_ARGUMENTS: arguments}


def _parts(text: str) -> list[Message]:
    return [{"type": "text", "text": text}]
