"""Translates POST /v1/messages to a request of OpenAI's chat API."""

from typing import Any

from segue.api.anthropic.caching import check_number, ttl_of
from segue.api.anthropic.requests import MessagesRequest
from segue.api.anthropic.tools import to_tool_choice, to_tools
from segue.api.anthropic.transcript import Transcript
from segue.api.intake.requests import ChatRequest, GenerationFields
from segue.chat.breakpoints import Wish
from segue.serving.errors import invalid

_OWN = ("n", "n_cmpl", "stop", "response_format", "timings_per_token", "reasoning_budget_tokens")


def to_chat(
    request: MessagesRequest, *, takes_late_system: bool, drops_billing_header: bool, may_think: bool
) -> tuple[ChatRequest, tuple[Wish, ...]]:
    """The chat request, and what the client wants to be kept of its prompt. Raises ApiError."""
    tools, wishes = to_tools(request.tools or ())
    transcript = Transcript(takes_late_system=takes_late_system, drops_billing_header=drops_billing_header)
    if request.system:
        transcript.add("system", request.system, "system")
    for i, message in enumerate(request.messages):
        role = message.get("role")
        if role not in ("user", "assistant", "system"):
            raise invalid(f"Field 'messages.{i}.role': it must be user, assistant or system")
        transcript.add(role, message.get("content"), f"messages.{i}.content")
    if not transcript.messages:
        transcript.messages.append({"role": "user", "content": ""})
    ttl_s = ttl_of(request.cache_control, "cache_control")
    if ttl_s is not None:
        transcript.add_wish(ttl_s)
    wishes += transcript.wishes
    check_number(wishes)
    format_field, response_format = _response_format(request)
    shared = {name: getattr(request, name) for name in GenerationFields.model_fields if name not in _OWN}
    is_single = bool((request.tool_choice or {}).get("disable_parallel_tool_use"))
    # All of it has been checked: shared fields by their types, the others above.
    chat = ChatRequest.model_construct(
        **shared,
        messages=transcript.messages,
        tools=tools or None,
        tool_choice=to_tool_choice(request.tool_choice),
        parallel_tool_calls=False if is_single else request.parallel_tool_calls,
        stop=request.stop if request.stop_sequences is None else request.stop_sequences,
        response_format=response_format,
        # The first event tells how much came from the cache.
        timings_per_token=True,
        reasoning_effort=request.reasoning_effort or _effort(request),
        reasoning_format=request.reasoning_format,
        reasoning_budget_tokens=_n_thinking(request),
        chat_template_kwargs=_template_kwargs(request, may_think=may_think),
    )
    chat.call_format(format_field)
    return chat, tuple(wishes)


def _response_format(request: MessagesRequest) -> tuple[str, dict[str, Any] | None]:
    """The field that says what the reply must be, and that in the form of the chat API."""
    own = (request.output_config or {}).get("format")
    field, wanted = ("output_config.format", own) if own else ("output_format", request.output_format)
    if wanted is None:
        return "response_format", request.response_format
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        raise invalid(f"Field '{field}': type must be json_schema")
    if wanted.get("schema") is None:
        raise invalid(f"Field '{field}': schema is missing")
    return field, {"type": "json_schema", "json_schema": {"schema": wanted["schema"]}}


def _effort(request: MessagesRequest) -> str | None:
    effort = (request.output_config or {}).get("effort")
    if effort is not None and not isinstance(effort, str):
        raise invalid("Field 'output_config.effort': it must be a text")
    return effort


def _n_thinking(request: MessagesRequest) -> int | None:
    """The most tokens of reasoning, None unless the client says it."""
    if request.reasoning_budget_tokens is not None or request.thinking is None:
        return request.reasoning_budget_tokens
    n_tokens = request.thinking.get("budget_tokens")
    if n_tokens is None or request.thinking.get("type") != "enabled":
        return None
    if not isinstance(n_tokens, int) or isinstance(n_tokens, bool) or n_tokens < 0:
        raise invalid("Field 'thinking.budget_tokens': it must be a number of tokens, 0 or more")
    return n_tokens


def _template_kwargs(request: MessagesRequest, *, may_think: bool) -> dict[str, Any] | None:
    """What the template is told of thinking: of all types only one means none."""
    if request.thinking is None:
        return request.chat_template_kwargs
    kind = request.thinking.get("type")
    if not isinstance(kind, str):
        raise invalid("Field 'thinking.type': it must be a text, such as enabled, adaptive or disabled")
    return {"enable_thinking": kind != "disabled" and may_think, **(request.chat_template_kwargs or {})}
