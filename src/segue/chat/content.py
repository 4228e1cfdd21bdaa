"""The text of message content, with a placeholder for what this model cannot read.

Nothing is refused: a history comes back with every turn, so one refusal would end the session.
"""

import json
from collections.abc import Mapping
from typing import Any

_TEXTS = {"text": "text", "input_text": "text", "output_text": "text", "refusal": "refusal"}
"""Kinds of parts that are text, and the field of each that holds it."""
_MEDIA = {
    **dict.fromkeys(("image", "image_url", "input_image"), "image"),
    **dict.fromkeys(("audio", "audio_url", "input_audio"), "audio"),
    **dict.fromkeys(("video", "video_url", "input_video"), "video"),
    **dict.fromkeys(("file", "input_file", "document", "container_upload"), "file"),
}
_UNSEEN = ("thinking", "redacted_thinking", "reasoning")
"""Kinds of parts that are passed over: a thought has a field of its own, and in a text it would be copied."""
_NAMES = ("tool_name", "name", "filename", "title", "uri", "url")
_N_NAME = 200
_MAX_DEPTH = 4


def text_of(content: object) -> str:
    """The text of a message's content: a string, null, or a list of parts, which are joined by line ends.

    A part that is not text becomes a placeholder in brackets that names it, and any other value its JSON.
    """
    return _text(content, 0)


def parts_of(content: object) -> tuple[str, ...]:
    """The text of each part of a message's content, as in `text_of`; none if it is not a list."""
    return tuple(_part(part, 0) for part in content if not _is_unseen(part)) if isinstance(content, list) else ()


def _text(content: object, depth: int) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(_part(part, depth) for part in content if not _is_unseen(part))
    return _part(content, depth)


def _is_unseen(part: object) -> bool:
    return isinstance(part, Mapping) and part.get("type") in _UNSEEN


def _part(part: object, depth: int) -> str:
    if part is None or isinstance(part, str):
        return part or ""
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or not isinstance(kind, str):
        return json.dumps(part, ensure_ascii=False)
    if kind in _TEXTS:
        return str(part.get(_TEXTS[kind]) or "")
    inner = _inner(part, depth)
    if kind in _MEDIA:
        return inner or f"[{_head(_MEDIA[kind], part)} omitted: this model reads text only]"
    head = f"[{_head(kind, part, separator=': ')}]"
    return f"{head}\n{inner}" if inner else head


def _inner(part: Mapping[str, Any], depth: int) -> str:
    """The text inside a part: of a plain document, a search result, a resource, a tool's output."""
    if depth == _MAX_DEPTH:
        return ""
    if isinstance(part.get("text"), str):
        return str(part["text"])
    source = part.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text" and isinstance(source.get("data"), str):
        return str(source["data"])
    if isinstance(source, Mapping) and source.get("type") == "content":
        return _text(source.get("content"), depth + 1)
    resource = part.get("resource")
    if isinstance(resource, Mapping) and isinstance(resource.get("text"), str):
        return str(resource["text"])
    return _text(part.get("content"), depth + 1)


def _head(kind: str, part: Mapping[str, Any], separator: str = " ") -> str:
    """The kind of a part, and its name if it has one."""
    places = [part, *(part[key] for key in ("file", "resource") if isinstance(part.get(key), Mapping))]
    names = (place.get(key) for place in places for key in _NAMES)
    name = next((" ".join(name.split()) for name in names if isinstance(name, str) and name.strip()), "")
    # A URL may hold the whole file.
    is_short = name and not name.startswith("data:")
    return f"{kind}{separator}{name[:_N_NAME]}" if is_short else kind
