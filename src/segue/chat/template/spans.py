"""Where each message ends in a rendered prompt: where the next one begins, and three cases beside that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from segue.chat.content import parts_of, text_of
from segue.chat.rendered_prompt import PREAMBLE
from segue.chat.template.messages import Conversation
from segue.chat.template.render import LOOP_END
from segue.chat.template.starts import Start

_NEEDLE_CHARS = 64


@dataclass(frozen=True, slots=True)
class Spans:
    """Message ends as `RenderedPrompt` holds them."""

    ends: tuple[int, ...]
    indices: tuple[int, ...]
    n_stable: int


def find_spans(
    text: str,
    conversation: Conversation,
    tools: Sequence[Mapping[str, Any]],
    starts: Sequence[Start],
    *,
    n_bos: int,
    n_header: int,
    n_closed: int,
) -> Spans:
    """The message ends in `text`, which begins with a BOS text of `n_bos` characters.

    `n_header` characters lie before the own text of the first message after the system prompt, 0 if not known: some
    templates write the system prompt or the tools there. `n_closed` lie before the generation suffix, 0 if not known.
    """
    messages, origins, n_leading = conversation.messages, conversation.origins, conversation.n_leading
    needles = [_needle(leading) for leading in conversation.leading]
    n_blank = len(text) - len(text[n_bos:].lstrip())
    ends: dict[int, int] = {}
    stable = last = 0
    for position, (index, offset) in enumerate(starts):
        if index == LOOP_END:
            n_closed = min(n_closed, offset) if offset > last else n_closed
            continue
        owner, last = origins[index] - 1, offset
        if index <= n_leading:
            if not all(text.find(needle, 0, offset) >= 0 for needle in needles[: owner + 1]):
                owner = PREAMBLE
            stable = offset
        elif position == 0 and text.find(_needle(_first_text(messages[index - 1].get("content"))), 0, offset) < 0:
            continue
        if offset > n_blank:
            ends[offset] = max(owner, ends.get(offset, PREAMBLE))
    header = text[max((end for end in ends if end < n_header), default=0) : n_header]
    owner = len(needles) - 1
    is_written = owner in ends.values()
    # A short system prompt may by accident be a part of what stands before every question.
    has_system = not is_written and any(needle in header for needle in needles if needle)
    if has_system or (tools and all(_name(tool) in header for tool in tools)):
        ends[n_header] = PREAMBLE if is_written else owner
        stable = max(stable, n_header)
    if messages and n_closed > last:
        ends[n_closed] = conversation.n_told - 1
        if n_leading == len(messages):
            stable = n_closed
    offsets = sorted(ends)
    return Spans(tuple(offsets), tuple(ends[end] for end in offsets), sum(end <= stable for end in offsets))


def _needle(text: str) -> str:
    return text.strip()[:_NEEDLE_CHARS]


def _first_text(content: object) -> str:
    """The first text of a message; of several parts, the first that is not empty."""
    return next((part for part in map(str.strip, parts_of(content)) if part), "") or text_of(content)


def _name(tool: Mapping[str, Any]) -> str:
    function = tool.get("function", tool)
    return str(function.get("name", "")) if isinstance(function, Mapping) else ""
