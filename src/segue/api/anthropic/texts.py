"""The texts in content blocks."""

from segue.api.errors import invalid, not_supported

_MEDIA = ("image", "document", "search_result", "container_upload")
_N_HEAD = 40


def plain_text(block: object, place: str) -> str:
    """The text of a block; a document may be plain text too. Raises ApiError for other blocks."""
    kind = block.get("type") if isinstance(block, dict) else None
    if isinstance(block, dict) and kind == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    if isinstance(block, dict) and kind == "document":
        source = block.get("source")
        if isinstance(source, dict) and source.get("type") == "text" and isinstance(source.get("data"), str):
            return str(source["data"])
    if kind in _MEDIA:
        raise not_supported(f"Field '{place}': {kind} is not supported; this server takes text only")
    raise invalid(f"Field '{place}': it must be a block of a type that belongs there, such as text")


def error_text(text: str) -> str:
    """A tool's result that is an error, so that the model sees it is one."""
    return text if "error" in text[:_N_HEAD].lower() else f"Error: {text}"
