"""The parts of a reply as OpenAI's chat API writes them."""

from segue.api.openai.envelope import FINISH_REASONS
from segue.api.replies.call_ids import call_id
from segue.api.replies.serialization import JsonObject
from segue.chat.reply.parts import CallArguments, CallOpened, Text, Thought
from segue.chat.reply.whole import Whole
from segue.serving.events import FinishedReply, StopType


def delta_json(part: Text | Thought | CallOpened | CallArguments) -> JsonObject:
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


def finish_reason(reply: FinishedReply, n_calls: int) -> str:
    """`finish_reason` of a choice that called so many tools."""
    if n_calls and reply.stop in (StopType.EOS, StopType.WORD):
        return "tool_calls"
    return FINISH_REASONS[reply.stop]
