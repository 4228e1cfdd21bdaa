"""What a model said, as OpenAI's chat API writes it."""

import secrets
import string

from segue.api.envelope import FINISH_REASONS
from segue.api.events import Reply, StopType
from segue.api.wire import JsonObject
from segue.chat.reply.whole import Whole
from segue.chat.said import CallArguments, CallOpened, Part, Text, Thought

_ALPHABET = string.ascii_letters + string.digits
_N_ID = 9
"""Mistral's templates refuse ids of calls that have another length."""


def call_id() -> str:
    """A new id for a call."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_N_ID))


def delta_json(part: Part) -> JsonObject:
    """`delta` of a streamed choice."""
    match part:
        case Text(text):
            return {"content": text}
        case Thought(text):
            return {"reasoning_content": text}
        case CallOpened(index, name):
            function: JsonObject = {"name": name, "arguments": ""}
            return {"tool_calls": [{"index": index, "id": call_id(), "type": "function", "function": function}]}
        case CallArguments(index, text):
            return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}


def message_json(said: Whole) -> JsonObject:
    """`message` of a choice."""
    message: JsonObject = {"role": "assistant", "content": None if said.calls and not said.content else said.content}
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.calls:
        message["tool_calls"] = [
            {"id": call_id(), "type": "function", "function": {"name": name, "arguments": arguments}}
            for name, arguments in said.calls
        ]
    return message


def finish_reason(reply: Reply, n_calls: int) -> str:
    """`finish_reason` of a choice that called so many tools."""
    if n_calls and reply.stop in (StopType.EOS, StopType.WORD):
        return "tool_calls"
    return FINISH_REASONS[reply.stop]
