"""Messages as clients send them, brought into the form that a template takes."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segue.chat.dialect import REASONING_FIELDS, Dialect, Message
from segue.chat.sandbox import TemplateError

_LEADING_ROLES = ("system", "developer")


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages in a template's dialect. The dicts are new; nothing of the client's is shared that could change.

    `origins[i]` is the client's index of message `i`. `leading` are the texts of the system prompt's messages, the
    first of the conversation. `n_leading` of `messages` hold them; where the template has no system role, the
    first `n_merged` characters of the message after them do.
    """

    messages: list[Message]
    origins: tuple[int, ...]
    leading: tuple[str, ...]
    n_leading: int
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


def shape(messages: Sequence[Mapping[str, Any]], dialect: Dialect) -> Conversation:
    """Bring OpenAI messages into the template's dialect. Raises `TemplateError` for what no template can take."""
    if not all(isinstance(message, Mapping) for message in messages):
        raise TemplateError("each message must be an object")
    shaped = [_shape_message(message, dialect) for message in messages]
    n_leading = next((i for i, m in enumerate(messages) if m.get("role") not in _LEADING_ROLES), len(messages))
    leading = tuple(text_of(message["content"]) for message in shaped[:n_leading])
    origins = tuple(range(len(shaped)))
    if dialect.takes_system or n_leading == 0 or n_leading == len(shaped):
        return Conversation(shaped, origins, leading, n_leading)
    first = shaped[n_leading]
    merged = "".join(text + "\n" for text in leading)
    text = merged + text_of(first["content"])
    first["content"] = _parts(text) if dialect.takes_parts else text
    return Conversation(shaped[n_leading:], origins[n_leading:], leading, 0, len(merged))


def text_of(content: object) -> str:
    """The text of a message's content: a string, null, or a list of text parts, which are joined by line ends."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise TemplateError(f"message content must be text or a list of parts, not {type(content).__name__}")
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, Mapping) and part.get("type") == "text":
            texts.append(str(part.get("text") or ""))
        else:
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            raise TemplateError(f"content of type {kind!r} is not supported")
    return "\n".join(texts)


def _shape_message(message: Mapping[str, Any], dialect: Dialect) -> Message:
    shaped = {key: value for key, value in message.items() if value is not None and key not in REASONING_FIELDS}
    if not shaped.get("tool_calls"):
        shaped.pop("tool_calls", None)
    if shaped.get("role") == "developer" and not dialect.takes_developer:
        shaped["role"] = "system"
    reasoning = next((message[field] for field in REASONING_FIELDS if message.get(field)), None)
    if reasoning is not None:
        shaped[dialect.reasoning_field] = reasoning
    text = text_of(message.get("content"))
    shaped["content"] = _parts(text) if dialect.takes_parts else text
    if "tool_calls" in shaped:
        shaped["tool_calls"] = [_shape_call(call, dialect) for call in shaped["tool_calls"]]
        if not text and dialect.takes_null_content:
            shaped["content"] = None
        elif reasoning is not None and not dialect.takes_thought_and_text:
            del shaped["content"]
    return shaped


def _shape_call(call: object, dialect: Dialect) -> object:
    if not isinstance(call, Mapping) or not isinstance(call.get("function"), Mapping):
        return call
    function = dict(call["function"])
    arguments = function.get("arguments")
    if dialect.takes_objects and isinstance(arguments, str):
        function["arguments"] = _parse_object(arguments)
    elif not dialect.takes_objects and isinstance(arguments, Mapping):
        function["arguments"] = json.dumps(arguments, ensure_ascii=False)
    return {**call, "function": function}


def _parse_object(text: str) -> object:
    """The object that `text` says; `text` itself if it says none, for a model may have written anything."""
    try:
        value = json.loads(text) if text.strip() else {}
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, dict) else text


def _parts(text: str) -> list[Message]:
    return [{"type": "text", "text": text}]
