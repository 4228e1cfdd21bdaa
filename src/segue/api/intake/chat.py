"""Checks a chat request, passes it to the pipeline, and prepares what happens to the replies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from segue.api.intake.constraints import Wanted
from segue.api.intake.prompts import checked
from segue.api.intake.requests import ChatRequest
from segue.api.intake.tool_choice import check_tool_choice, wanted_of_chat
from segue.chat.breakpoints import Wish
from segue.chat.memory.reply_memory import ReplyContext
from segue.chat.pipeline import ChatInput, EncodedChat
from segue.chat.reply.reply_format import ReplyFormat
from segue.chat.reply.thinking_limit import ThinkingBudget, ThinkingSwitch
from segue.chat.template.sandbox import TemplateError
from segue.chat.tokens.tokenizer import EncodedPrompt
from segue.loop.job import MakeForcer
from segue.serving.backend import Backend
from segue.serving.errors import invalid
from segue.serving.events import FinishedReply, Keep, StopType, keep_nothing
from segue.serving.service import Service
from segue.settings import Settings
from segue.settings.template import fault_of

_REASONING_FORMATS = ("none", "auto", "deepseek", "deepseek-legacy")

# Most templates cannot render an empty list of messages.
_NOTHING_SAID: Sequence[Mapping[str, Any]] = ({"role": "user", "content": ""},)


@dataclass(frozen=True, slots=True)
class PreparedChat:
    """The prompt of a chat, the format of its replies, what they must look like, and what becomes of each.

    `make_forcer` makes what forces tokens into a reply, None where nothing is forced.
    """

    prompt: EncodedPrompt
    reply_format: ReplyFormat
    wanted: Wanted | None
    keep: Keep
    make_forcer: MakeForcer | None


def prepare_chat(
    service: Service,
    request: ChatRequest,
    namespace: str,
    wishes: Sequence[Wish] = (),
    switch: ThinkingSwitch | None = None,
) -> PreparedChat:
    """Prepare a chat in a namespace; a `switch` may end its reasoning. Slow on long chats. Raises ApiError."""
    chat = encode_chat(service, request, namespace, wishes)
    checked(chat.prompt, service.backend)
    wanted = wanted_of_chat(request, chat.reply_format, service.backend.controls)
    keep = keep_nothing
    if chat.context is not None:
        keep = partial(_remember, service.backend, chat.context, bool(request.stream))
    make_forcer = None if _begins_wanted(wanted) else _make_forcer(service, request, chat, switch)
    return PreparedChat(chat.prompt, chat.reply_format, wanted, keep, make_forcer)


def encode_chat(service: Service, request: ChatRequest, namespace: str, wishes: Sequence[Wish] = ()) -> EncodedChat:
    """The tokens of a chat, however many they are. Slow on long chats. Raises ApiError."""
    chat = _chat_input(service, request, namespace, wishes)
    if service.settings.keep_replies:
        service.farewells.wait(namespace)
    try:
        return service.backend.chat.encode(chat)
    except TemplateError as error:
        raise _refused(error) from error


def render_chat(service: Service, request: ChatRequest, namespace: str) -> str:
    """The text that the template makes of a chat. Raises ApiError."""
    chat = _chat_input(service, request, namespace)
    try:
        return service.backend.chat.render(chat).text
    except TemplateError as error:
        raise _refused(error) from error


def _begins_wanted(wanted: Wanted | None) -> bool:
    """Whether no reasoning can come first, whose end could be forced; beside tools that may be called there can."""
    return wanted is not None and not wanted.constraint.lead and wanted.field != "tools"


def _make_forcer(
    service: Service, request: ChatRequest, chat: EncodedChat, switch: ThinkingSwitch | None
) -> MakeForcer | None:
    """Makes forcers that keep replies within their budget of reasoning; None without such a budget or a switch."""
    settings, backend = service.settings, service.backend
    n_tokens = request.thinking_budget(settings.reasoning_budget)
    if n_tokens < 0 and switch is None:
        return None
    message = request.reasoning_budget_message
    return ThinkingBudget(
        vocabulary=backend.vocabulary,
        reply_format=chat.full_format,
        shown=backend.shown,
        n_tokens=n_tokens,
        message=settings.reasoning_budget_message if message is None else message,
        switch=switch,
    ).limit


def _chat_input(service: Service, request: ChatRequest, namespace: str, wishes: Sequence[Wish] = ()) -> ChatInput:
    """A request's chat, checked, in the pipeline's form. Raises ApiError."""
    _check_options(request)
    _check_messages(request.messages)
    parses_calls = request.parse_tool_calls is not False and not service.settings.skip_chat_parsing
    return ChatInput(
        namespace=namespace,
        messages=request.messages or _NOTHING_SAID,
        tools=request.tools or (),
        variables=_variables(request, service.settings),
        can_continue=service.settings.prefill_assistant
        if request.continue_final_message is None
        else request.continue_final_message,
        add_generation_prompt=request.add_generation_prompt is not False,
        may_call=request.tool_choice != "none" and parses_calls,
        parses_reasoning=(request.reasoning_format or service.settings.reasoning_format) != "none"
        and not service.settings.skip_chat_parsing,
        wishes=wishes,
    )


def _refused(error: TemplateError) -> Exception:
    return invalid(f"The chat template refused the messages: {error}")


def _remember(backend: Backend, context: ReplyContext, is_streamed: bool, reply: FinishedReply) -> None:
    """Remember a reply as it was written; of one that was streamed or interrupted, the client may have a part only."""
    tokens = [token for token in reply.all_tokens if not backend.vocabulary.is_eog(token)]
    is_whole = reply.stop in (StopType.EOS, StopType.LIMIT)
    may_be_cut = (is_streamed or not is_whole) and reply.end.error is None
    backend.chat.remember(context, reply.all_text, tokens, is_whole=is_whole, may_be_cut=may_be_cut)


def _variables(request: ChatRequest, settings: Settings) -> dict[str, Any]:
    """The variables that the template gets beside messages and tools; it is told to think, unless asked not to."""
    variables: dict[str, Any] = {}
    if settings.reasoning == "off":
        variables["enable_thinking"] = False
    if settings.reasoning_effort != "default":
        variables["reasoning_effort"] = settings.reasoning_effort
    variables |= {**settings.chat_template_kwargs, **(request.chat_template_kwargs or {})}
    fault = fault_of(variables)
    if fault:
        raise invalid(f"Field 'chat_template_kwargs': {fault}")
    if request.reasoning_effort == "none":
        variables["enable_thinking"] = False
        variables.pop("reasoning_effort", None)
    elif request.reasoning_effort:
        variables["reasoning_effort"] = request.reasoning_effort
    return variables


def _check_options(request: ChatRequest) -> None:
    check_tool_choice(request)
    if request.reasoning_format not in (None, *_REASONING_FORMATS):
        raise invalid(f"Field 'reasoning_format': it must be one of {', '.join(_REASONING_FORMATS)}")
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("Field 'top_logprobs': it needs logprobs to be true")
    if request.continue_final_message and request.add_generation_prompt:
        raise invalid("Fields 'add_generation_prompt' and 'continue_final_message' exclude each other")


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
