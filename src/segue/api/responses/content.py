"""The content of items: text, or a list of parts that are text."""

from collections.abc import Mapping

from segue.api.conversation import MEDIA
from segue.api.errors import invalid, not_supported

_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
"""Kinds of parts, and the field of each that holds its text."""


def text_of(content: object, where: str) -> str:
    """The text of content, its parts joined by line ends as chat templates get them; `where` is the field's name.

    Raises ApiError for anything that is not text.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise invalid(f"Field '{where}': it must be a text or a list of parts")
    return "\n".join(_part(part, where) for part in content)


def _part(part: object, where: str) -> str:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if isinstance(kind, str) and kind in MEDIA:
        raise not_supported(f"Field '{where}': {kind} is not supported; this server takes text only")
    text = part.get(_TEXTS[kind]) if isinstance(part, Mapping) and isinstance(kind, str) and kind in _TEXTS else None
    if not isinstance(text, str):
        raise invalid(f"Field '{where}': each part must be {{'type': 'input_text', 'text': ...}}")
    return text
