"""A prompt in a file: a chat as clients send it, or text."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class PromptError(Exception):
    """A file that holds no prompt; the message is a line for the user."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """Where a prompt is sent, and the body that has it read and answered with nothing."""

    name: str
    path: str
    body: dict[str, Any]


def load(path: Path) -> Prompt:
    """Take a file as what its content is: JSON with `messages`, a list of messages, or else text.

    Raises PromptError.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PromptError(f"cannot read {path}: {getattr(error, 'strerror', None) or 'it is no text'}") from error
    chat = _chat(text) if path.suffix == ".json" else None
    if chat is not None:
        return Prompt(path.name, "/v1/chat/completions", {**chat, "n_predict": 0, "max_tokens": 0})
    if path.suffix == ".json":
        raise PromptError(f"{path} is JSON without messages; a chat is {{'messages': [...]}}, as clients send it")
    if not text:
        raise PromptError(f"{path} is empty")
    return Prompt(path.name, "/completion", {"prompt": text, "n_predict": 0})


def _chat(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if isinstance(found, list):
        found = {"messages": found}
    return found if isinstance(found, dict) and isinstance(found.get("messages"), list) else None
