"""Where the parts of a message end in a rendered prompt: a client may add one, and leave it out next time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from segue.chat.content import text_of
from segue.chat.rendered_prompt import PREAMBLE
from segue.chat.template.spans import Spans


def find_part_ends(text: str, messages: Sequence[Mapping[str, Any]], spans: Spans) -> tuple[int, ...]:
    """The offset behind each part that another part of the same rendered message follows; ascending.

    A part is one of a content with several, or one of several messages of the client that were written as one. `spans`
    says where the rendered messages end in `text`. A part that the template did not write as it is ends the search in
    its message.
    """
    found: list[int] = []
    start, first = 0, 0
    for end, index in zip(spans.ends, spans.indices, strict=True):
        at = start
        parts = list(_parts(messages[first : index + 1])) if index != PREAMBLE else []
        for part in parts[:-1]:
            place = text.find(part, at, end)
            if place < 0:
                break
            at = place + len(part)
            found.append(at)
        start, first = end, max(first, index + 1)
    return tuple(found)


def _parts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The parts of the content of some messages, without empty ones."""
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else [content]:
            own = text_of([part] if isinstance(content, list) else part).strip()
            if own:
                yield own
