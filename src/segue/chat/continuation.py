"""Renders a chat whose last message is the beginning of the reply.

The message stands as it will in the next turn, as in Hugging Face's `continue_final_message`. Where the template does
not write all of it, it follows the prompt for a new reply. Its text never stands inside open reasoning.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from segue.chat.content import text_of
from segue.chat.rendered_prompt import RenderedPrompt
from segue.chat.reply.family import Family
from segue.chat.template.arrangement import BETWEEN
from segue.chat.template.dialect import REASONING_FIELDS
from segue.chat.template.sandbox import TemplateError
from segue.chat.template.template import ChatTemplate

_END = "\U000f5e6d"

Message = Mapping[str, Any]


def is_begun(message: Message, *, can_think: bool) -> bool:
    """Whether a message is the beginning of a reply: text by the assistant, or reasoning if it can think; no call."""
    if message["role"] != "assistant" or message.get("tool_calls"):
        return False
    return bool(text_of(message.get("content")) or (can_think and _reasoning(message)))


def render_begun(
    template: ChatTemplate,
    family: Family,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None,
    variables: Mapping[str, Any],
) -> RenderedPrompt:
    """The prompt that ends with what the last message says: its text, or its reasoning if it has no text yet.

    Raises TemplateError when the template refuses the messages before.
    """
    rendered = _as_written(template, messages, tools, variables)
    if rendered is None:
        return _after_prompt(template, family, messages, tools, variables)
    said, reasoning = text_of(messages[-1].get("content")), _reasoning(messages[-1])
    at = rendered.text.rfind(said.strip()) if said.strip() else len(rendered.text)
    before = rendered.text[rendered.begun : at]
    end = family.reasoning_end_in(before) if said else ""
    if end:
        return replace(rendered, text=rendered.text[:at] + reasoning + end + said)
    if family.reasoning and thinks(template, family) and reasoning.strip() not in before:
        return _after_prompt(template, family, messages, tools, variables)
    return rendered


def thinks(template: ChatTemplate, family: Family) -> bool:
    """Whether the model of a template can think, as far as the template tells."""
    return family.can_think(template.source) or template.dialect.content.writes_reasoning


def _as_written(
    template: ChatTemplate,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None,
    variables: Mapping[str, Any],
) -> RenderedPrompt | None:
    """The conversation up to the end of the last message's text; None if the template does not write that."""
    try:
        rendered = template.render(
            [*messages[:-1], _marked(messages[-1])], tools=tools, add_generation_prompt=False, **variables
        )
    except TemplateError:
        return None
    end = rendered.text.rfind(_END)
    if end < 0:
        return None
    ends = [(at, index) for at, index in zip(rendered.message_ends, rendered.message_indices, strict=True) if at < end]
    return replace(
        rendered,
        text=rendered.text[:end],
        message_ends=tuple(at for at, _ in ends),
        message_indices=tuple(index for _, index in ends),
        n_stable=min(rendered.n_stable, len(ends)),
        volatile=tuple(at for at in rendered.volatile if at < end),
        part_ends=tuple(at for at in rendered.part_ends if at < end),
        begun=ends[-1][0] if ends else 0,
    )


def _marked(message: Message) -> Message:
    """The message with a mark behind what it says last."""
    content = message.get("content")
    if not text_of(content):
        field = next(field for field in REASONING_FIELDS if message.get(field))
        return {**message, field: text_of(message[field]) + _END}
    if isinstance(content, list):
        *before, last = content
        return {**message, "content": [*before, {"type": "text", "text": text_of([last]) + _END}]}
    return {**message, "content": text_of(content) + _END}


def _after_prompt(
    template: ChatTemplate,
    family: Family,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]] | None,
    variables: Mapping[str, Any],
) -> RenderedPrompt:
    """The prompt for a new reply with the last message behind it, its reasoning closed if there is text."""
    *before, message = messages
    if not before:
        before = [{"role": "user", "content": ""}]
    said = text_of(message.get("content"))
    while before and not template.dialect.order.takes_any_order and is_begun(before[-1], can_think=False):
        said = text_of(before.pop().get("content")) + BETWEEN + said
    rendered = template.render(before, tools=tools, add_generation_prompt=True, **variables)
    begun = rendered.message_ends[-1] if rendered.message_ends else len(rendered.text)
    text, reasoning, end = rendered.text, _reasoning(message), family.reasoning_end_after(rendered.text)
    if reasoning and family.reasoning:
        is_open = bool(end)
        opening, end = next((tags for tags in family.reasoning if tags[1] == end), family.reasoning[0])
        text = text[: text.rfind(opening)] if is_open else text
        # Between a word and what follows it there must be something.
        text += opening + ("\n" if opening[-1].isalnum() else "") + reasoning
    return replace(rendered, text=text + (end if said else "") + said, begun=begun)


def _reasoning(message: Message) -> str:
    return next((text_of(message[field]) for field in REASONING_FIELDS if message.get(field)), "")
