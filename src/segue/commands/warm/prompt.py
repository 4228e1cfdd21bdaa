"""A prompt in a file: a chat as clients send it, or text."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MESSAGE = '{"role": "user", "content": "..."}'
_CHAT = f'{{"messages": [{_MESSAGE}]}}'


class PromptError(Exception):
    """A file that holds no prompt; the message is a line for the user."""


@dataclass(frozen=True, slots=True)
class WarmPrompt:
    """The path that a prompt is sent to, and a body that has it read and answered with nothing."""

    name: str
    path: str
    body: dict[str, Any]


def load(path: Path) -> WarmPrompt:
    """Take a file as what its content is: JSON with `messages`, a list of messages, or else text.

    Raises PromptError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    is_json = path.suffix == ".json"
    if not (text.strip() if is_json else text):
        raise PromptError(f"{path} is empty")
    if is_json:
        return WarmPrompt(path.name, "/v1/chat/completions", {**_chat(path, text), "n_predict": 0, "max_tokens": 0})
    return WarmPrompt(path.name, "/completion", {"prompt": text, "n_predict": 0})


def _chat(path: Path, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PromptError(f"{path} is not valid JSON: {where}: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{path} is JSON with a number or a nesting that is too large") from error
    chat = {"messages": found} if isinstance(found, list) else found
    messages = chat.get("messages") if isinstance(chat, dict) else None
    if not isinstance(messages, list):
        raise PromptError(f"{path} is JSON without messages; a chat is {_CHAT}, as clients send it")
    if not messages:
        raise PromptError(f"{path} is a chat without a message; one is {_MESSAGE}")
    for number, message in enumerate(messages, 1):
        if not isinstance(message, dict):
            raise PromptError(f"{path} is no chat: its message {number} is not an object, such as {_MESSAGE}")
    return chat
