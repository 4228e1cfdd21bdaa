"""Splits off the beginning of a reply that the client has sent, as llama-server does."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue.chat.content import text_of
from segue.chat.template.arrangement import BETWEEN
from segue.chat.template.dialect import REASONING_FIELDS


def split_prefill(
    messages: Sequence[Mapping[str, Any]], *, takes_neighbours: bool
) -> tuple[Sequence[Mapping[str, Any]], str | None]:
    """Separate the beginning of the reply from the messages before it; None if the reply begins afresh.

    Without `takes_neighbours`, consecutive messages of the assistant at the end are joined, as in later turns.
    """
    if not can_go_on(messages[-1]):
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
