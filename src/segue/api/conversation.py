"""Chat messages: what is refused, and how the rest goes through the model's template."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from segue.api.errors import invalid
from segue.api.requests import ChatRequest
from segue.api.service import Service
from segue.api.tool_choice import check_tool_choice
from segue.chat.arrangement import BETWEEN
from segue.chat.content import text_of
from segue.chat.dialect import REASONING_FIELDS
from segue.chat.prompt import RenderedPrompt
from segue.chat.sandbox import CLOCK, TemplateError, clock_at

_REASONING_FORMATS = ("none", "auto", "deepseek", "deepseek-legacy")


def check(request: ChatRequest) -> None:
    """Refuse what no template could take. Raises ApiError."""
    _check_options(request)
    _check_messages(request.messages)


def with_known_tools(service: Service, request: ChatRequest, scope: str) -> ChatRequest:
    """The request with its tools in the order that is known in a cache scope."""
    if not request.tools or not service.settings.keep_tool_order:
        return request
    return request.model_copy(update={"tools": service.backend.tool_order.first(scope, request.tools)})


def render(service: Service, request: ChatRequest, scope: str) -> RenderedPrompt:
    """Render a checked conversation in a cache scope. A last message of the assistant is continued, as in llama-server.

    Raises ApiError.
    """
    takes_neighbours = service.backend.template.dialect.order.takes_any_order
    messages, prefill = _split_prefill(request, takes_neighbours=takes_neighbours)
    template, defaults = service.backend.template, service.settings.chat_template_kwargs
    add_generation_prompt = prefill is not None or request.add_generation_prompt is not False
    variables = _variables(request, defaults, thinks=prefill is None)
    if template.tells_time and service.settings.hold_time:
        variables = {CLOCK: clock_at(service.backend.moments.of(scope, request.messages)), **variables}
    try:
        rendered = template.render(
            messages, tools=request.tools or None, add_generation_prompt=add_generation_prompt, **variables
        )
    except TemplateError as error:
        raise invalid(f"The chat template refused the messages: {error}") from error
    return dataclasses.replace(rendered, text=rendered.text + prefill) if prefill else rendered


def _variables(request: ChatRequest, defaults: Mapping[str, Any], *, thinks: bool) -> dict[str, Any]:
    """What the template gets beside messages and tools. Like llama-server it is told to think, unless asked not to.

    A reply that is continued has done its thinking.
    """
    variables = {"enable_thinking": thinks, **defaults, **(request.chat_template_kwargs or {})}
    if request.reasoning_effort == "none":
        variables["enable_thinking"] = False
        variables.pop("reasoning_effort", None)
    elif request.reasoning_effort:
        variables["reasoning_effort"] = request.reasoning_effort
    reserved = variables.keys() & {"messages", "tools", "add_generation_prompt"}
    if reserved:
        raise invalid(f"Field 'chat_template_kwargs': {min(reserved)} has a field of its own")
    return variables


def _check_options(request: ChatRequest) -> None:
    check_tool_choice(request)
    if request.reasoning_format not in (None, *_REASONING_FORMATS):
        raise invalid(f"Field 'reasoning_format': it must be one of {', '.join(_REASONING_FORMATS)}")
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("Field 'top_logprobs': it needs logprobs to be true")


def _check_messages(messages: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what only a faulty client sends. What a model, a tool or a user may bring about is taken as it is."""
    for i, message in enumerate(messages):
        if not isinstance(message.get("role"), str):
            raise invalid(f"Field 'messages.{i}.role': it must be a text")
        calls = message.get("tool_calls") or []
        if not (isinstance(calls, list) and all(isinstance(call, Mapping) for call in calls)):
            raise invalid(f"Field 'messages.{i}.tool_calls': it must be a list of objects")
        content = message.get("content")
        if message["role"] == "tool" or content is None or isinstance(content, str):
            continue
        if not isinstance(content, list):
            raise invalid(f"Field 'messages.{i}.content': it must be a text or a list of parts")
        if not all(isinstance(part, str | Mapping) for part in content):
            raise invalid(f"Field 'messages.{i}.content': each part must be an object, such as a text part")


def _split_prefill(request: ChatRequest, *, takes_neighbours: bool) -> tuple[list[dict[str, Any]], str | None]:
    """Part the beginning of the reply from the messages before it; None if the reply begins afresh.

    Without `takes_neighbours` messages of the assistant at the end are one, as they will be in later turns.
    """
    messages = request.messages
    if request.continue_final_message and request.add_generation_prompt:
        raise invalid("Fields 'add_generation_prompt' and 'continue_final_message' exclude each other")
    if request.continue_final_message is False or not can_go_on(messages[-1]):
        return messages, None
    n_before = len(messages) - 1
    while not takes_neighbours and n_before > 0 and can_go_on(messages[n_before - 1]):
        n_before -= 1
    texts = [text_of(message.get("content")) for message in messages[n_before:]]
    before = messages[:n_before] or [{"role": "user", "content": ""}]
    return before, BETWEEN.join(text for text in texts if text)


def can_go_on(message: Mapping[str, Any]) -> bool:
    """Whether a message by the assistant can be continued: a call cannot, and behind a thought there is no text yet."""
    if message["role"] != "assistant" or message.get("tool_calls"):
        return False
    return bool(message.get("content")) or not any(message.get(field) for field in REASONING_FIELDS)
