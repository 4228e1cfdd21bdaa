"""Messages as clients send them, brought into the form that a template takes."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segue.chat.content import parts_of, text_of
from segue.chat.template.arrangement import BETWEEN, arranged
from segue.chat.template.content_form import text_part, thought_part
from segue.chat.template.dialect import REASONING_FIELDS, Dialect
from segue.chat.template.exchanges import answered
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
    became part of it, or of the one before which it was put. `leading` are the texts with which the system prompt's
    messages begin, the first of the conversation. `n_leading` of `messages` hold them; where the template has no system
    role, the first `n_merged` characters of the message after them do.
    """

    messages: list[Message]
    origins: tuple[int, ...]
    leading: tuple[str, ...]
    n_leading: int
    n_told: int
    n_merged: int = 0

    def own_text(self, index: int) -> str:
        """The own text of message `index`, without a merged system prompt and the white space around it."""
        text = text_of(self.messages[index].get("content"))
        return (text[self.n_merged :] if index == self.n_leading else text).strip()

    def with_mark(self, mark: str, indices: Collection[int]) -> list[Message]:
        """The messages, with `mark` before the own text of those at `indices`."""
        marked = list(self.messages)
        for index in indices:
            content, n_own = self.messages[index].get("content"), len(self.own_text(index))
            if isinstance(content, list):
                texts = [part.get("text", "") for part in content]
                first = next((i for i, text in enumerate(texts) if text.strip()), len(texts) - 1)
                # Several parts are never joined with a system prompt.
                n_own = len(texts[first].strip()) if len(texts) > 1 else n_own
                content = [*content]
                content[first] = text_part(_with_mark(texts[first], mark, n_own))
            else:
                content = _with_mark(text_of(content), mark, n_own)
            marked[index] = {**marked[index], "content": content}
        return marked


def _with_mark(text: str, mark: str, n_own: int) -> str:
    """`text` with the mark before the last `n_own` characters that are not white space at its end."""
    n_before = len(text.rstrip()) - n_own
    return text[:n_before] + mark + text[n_before:]


def shape(messages: Sequence[Mapping[str, Any]], dialect: Dialect, *, has_tools: bool = False) -> Conversation:
    """Bring OpenAI messages into the template's dialect, with tools on offer or without.

    Raises `TemplateError` for what no template can take.
    """
    if not all(isinstance(message, Mapping) for message in messages):
        raise TemplateError("each message must be an object")
    turns = [
        Turn(_shape_message(message, dialect), index, parts_of(message.get("content")))
        for index, message in enumerate(messages)
    ]
    n_leading = next((i for i, m in enumerate(messages) if m.get("role") not in _LEADING_ROLES), len(messages))
    begun, turns = turns[:n_leading], turns[n_leading:]
    system, leading = begun, [turn.text for turn in begun]
    if not dialect.takes_late_system:
        turns = [turn.by("user") if turn.role in _LEADING_ROLES else turn for turn in turns]
    is_merged = bool(leading) and not dialect.takes_system
    roles = [turn.role for turn in turns]
    needs_user = is_merged or dialect.order.needs_user(roles, has_system=bool(leading), has_tools=has_tools)
    turns = arranged(turns, dialect.order, needs_user=needs_user, n_told=len(messages))
    if dialect.content.takes_responses:
        turns = list(answered(turns))
    n_merged = 0
    if is_merged:
        merged = "".join(text + "\n" for text in leading)
        system, turns[0], n_merged = [], turns[0].saying(merged + turns[0].text), len(merged)
    elif len(leading) > 1 and not dialect.order.takes_second_system:
        system = [system[0].saying(BETWEEN.join(leading))]
    told = [*system, *turns]
    return Conversation(
        [_formed(turn, dialect) for turn in told],
        tuple(turn.origin for turn in told),
        tuple(next(filter(str.strip, turn.parts), turn.text) for turn in begun),
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


def _formed(turn: Turn, dialect: Dialect) -> Message:
    """A message with content and calls in the form that the template takes."""
    formed = dict(turn.message)
    takes_list = dialect.takes_parts or (turn.role in dialect.content.list_roles and bool(turn.parts))
    formed["content"] = [text_part(part) for part in turn.parts or (turn.text,)] if takes_list else turn.text
    if "tool_calls" in formed:
        formed["tool_calls"] = [_shape_call(call, dialect) for call in formed["tool_calls"]]
        if not turn.text and dialect.takes_null_content:
            formed["content"] = None
        elif dialect.reasoning_field in formed and not dialect.takes_thought_and_text:
            del formed["content"]
    if dialect.content.takes_thoughts and dialect.reasoning_field in formed:
        said = [text_part(part) for part in turn.parts or (turn.text,)]
        formed["content"] = [thought_part(formed.pop(dialect.reasoning_field)), *said]
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
    return {**call, "type": call.get("type") or "function", "function": function}


def _object(arguments: object, *, takes_text: bool) -> object:
    """The object that arguments stand for. Anything else that a model wrote stays text, or is put into an object."""
    value = arguments
    if isinstance(arguments, str):
        try:
            value = json.loads(arguments) if arguments.strip() else None
        except (ValueError, RecursionError):
            value = arguments
    if value is None or isinstance(value, dict):
        return value or {}
    return arguments if takes_text else {_ARGUMENTS: arguments}
