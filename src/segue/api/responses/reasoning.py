"""Reasoning in plain text, and as `encrypted_content`, which clients send back unread."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

_SEAL = "segue:"


def seal(text: str) -> str:
    """Reasoning as `encrypted_content`. It is no secret: the same text stands beside it."""
    return _SEAL + base64.b64encode(text.encode()).decode()


def unseal(sealed: object) -> str | None:
    """The text of what `seal` made, None for anything else, such as another server's."""
    if not isinstance(sealed, str) or not sealed.startswith(_SEAL):
        return None
    try:
        return base64.b64decode(sealed.removeprefix(_SEAL), validate=True).decode()
    except ValueError:
        return None


def reasoning_of(item: Mapping[str, Any]) -> str:
    """The text of a `reasoning` item from wherever it is found, empty if nowhere."""
    texts = (unseal(item.get("encrypted_content")), *(_joined(item.get(place)) for place in ("content", "summary")))
    return next((text for text in texts if text), "")


def _joined(parts: object) -> str:
    return "\n".join(_texts(parts)) if isinstance(parts, list) else ""


def _texts(parts: list[Any]) -> Iterator[str]:
    for part in parts:
        text = part.get("text") if isinstance(part, Mapping) else None
        if isinstance(text, str):
            yield text
