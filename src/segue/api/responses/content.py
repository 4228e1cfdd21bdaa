"""The content of items: text, or a list of parts."""

from collections.abc import Mapping

from segue.chat.content import text_of as text_in
from segue.serving.errors import invalid


def text_of(content: object, where: str) -> str:
    """The text of content, its parts joined by line ends as chat templates get them; `where` is the field's name.

    Parts other than text become placeholders. Raises ApiError for anything but text and parts.
    """
    if content is not None and not isinstance(content, str | list):
        raise invalid(f"Field '{where}': it must be a text or a list of parts")
    if isinstance(content, list) and not all(isinstance(part, str | Mapping) for part in content):
        raise invalid(f"Field '{where}': each part must be an object, such as {{'type': 'input_text', 'text': ...}}")
    return text_in(content)
