"""The body of POST /v1/responses, and its translation to a chat request."""

from typing import Any

from pydantic import BaseModel

from segue.api.intake.fields import Count, Flag, Items, Text
from segue.api.intake.requests import ChatRequest, GenerationFields
from segue.api.responses.tools import Toolbox, chat_choice
from segue.serving.errors import invalid, not_supported

ENCRYPTED = "reasoning.encrypted_content"
_FORMATS = ("text", "json_object", "json_schema")
_SAME = ("parallel_tool_calls", "chat_template_kwargs", "reasoning_format", "add_generation_prompt")
_COMMON = (*(name for name in GenerationFields.model_fields if name not in ("n", "n_cmpl")), *_SAME)
"""Fields that mean the same in the chat API; there is one choice."""


class Reasoning(BaseModel):
    """How to think, and whether the client wants to be told of it in summary."""

    effort: Text | None = None
    summary: Text | None = None
    generate_summary: Text | None = None


class TextOptions(BaseModel):
    """The form of the reply's text."""

    format: dict[str, Any] | None = None
    verbosity: Text | None = None


class ResponsesRequest(GenerationFields):
    """POST /v1/responses. `input`: a text, or items."""

    input: Text | Items[dict[str, Any]] | None = None
    instructions: Text | None = None
    previous_response_id: Text | None = None
    store: Flag | None = None
    tools: Items[dict[str, Any]] | None = None
    tool_choice: Text | dict[str, Any] | None = None
    parallel_tool_calls: Flag | None = None
    reasoning: Reasoning | None = None
    reasoning_effort: Text | None = None
    reasoning_format: Text | None = None
    text: TextOptions | None = None
    max_output_tokens: Count | None = None
    truncation: Text | None = None
    include: Items[Text] | None = None
    metadata: dict[str, Any] | None = None
    prompt_cache_key: Text | None = None
    safety_identifier: Text | None = None
    user: Text | None = None
    background: Flag | None = None
    conversation: Any = None
    prompt: Any = None
    chat_template_kwargs: dict[str, Any] | None = None
    add_generation_prompt: Flag | None = None
    continue_final_message: Flag | None = None

    @property
    def items(self) -> list[dict[str, Any]]:
        """The input as items."""
        if isinstance(self.input, str):
            return [{"type": "message", "role": "user", "content": self.input}]
        return self.input or []

    @property
    def wants_summary(self) -> bool:
        """Whether reasoning is reported as a summary, which here is all of it; otherwise as reasoning."""
        asked = self.reasoning and (self.reasoning.summary or self.reasoning.generate_summary)
        return bool(asked) and asked != "none"

    @property
    def wants_encrypted(self) -> bool:
        """Whether reasoning is also reported as `encrypted_content`."""
        return ENCRYPTED in (self.include or ())

    def chat(self, messages: list[dict[str, Any]], toolbox: Toolbox) -> ChatRequest:
        """The chat request that this comes to. Raises ApiError for fields that would silently have no effect."""
        self._refuse()
        fields = {name: value for name in _COMMON if (value := getattr(self, name)) is not None}
        if self.max_output_tokens is not None:
            fields["max_completion_tokens"] = self.max_output_tokens
        response_format = self._response_format()
        if response_format is not None:
            fields["response_format"] = response_format
        effort = self.reasoning.effort if self.reasoning is not None else None
        chat = ChatRequest.model_construct(
            **fields,
            messages=messages,
            tools=list(toolbox.definitions) or None,
            tool_choice=chat_choice(self.tool_choice),
            reasoning_effort=effort or self.reasoning_effort,
            continue_final_message=self.continue_final_message,
        )
        if response_format is not None:
            chat.call_format("text.format")
        return chat

    def _response_format(self) -> dict[str, Any] | None:
        """`text.format` in the form of the chat API, None if the text is free."""
        wanted = self.text.format if self.text is not None else None
        kind = "text" if wanted is None else wanted.get("type", "text")
        if kind not in _FORMATS:
            raise invalid(f"Field 'text.format': type must be one of {', '.join(_FORMATS)}")
        if wanted is None or kind == "text":
            return None
        if kind == "json_object":
            return wanted
        if wanted.get("schema") is None:
            raise invalid("Field 'text.format': schema is missing")
        return {"type": kind, kind: {key: value for key, value in wanted.items() if key != "type"}}

    def _refuse(self) -> None:
        if self.background:
            raise not_supported("Field 'background': a reply lives as long as its connection")
        if self.conversation is not None:
            raise not_supported("Field 'conversation': it is not supported; use previous_response_id")
        if self.prompt is not None:
            raise not_supported("Field 'prompt': stored prompts are not supported")
        if "message.output_text.logprobs" in (self.include or ()):
            raise not_supported("Field 'include': log-probabilities are not supported here")
