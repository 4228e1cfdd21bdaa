"""The body of POST /v1/messages. Unknown fields are tolerated; known ones must have the right type and range."""

from typing import Any

from segue.api.intake.fields import Flag, Items, MessageList, Text, Words
from segue.api.intake.requests import GenerationFields

Block = dict[str, Any]


class MessagesRequest(GenerationFields):
    """POST /v1/messages and /v1/messages/count_tokens, with llama-server's fields beside Anthropic's."""

    messages: MessageList
    system: Text | Items[Block] | None = None
    tools: Items[Block] | None = None
    tool_choice: Block | None = None
    thinking: Block | None = None
    output_config: Block | None = None
    output_format: Block | None = None
    cache_control: Block | None = None
    stop_sequences: Words | None = None
    chat_template_kwargs: dict[str, Any] | None = None
    reasoning_effort: Text | None = None
    reasoning_format: Text | None = None
    parallel_tool_calls: Flag | None = None
