"""Where the parts of a message's content end in a rendered prompt: a client may add one, and leave it out next time."""

from collections.abc import Mapping, Sequence
from typing import Any

from segue.chat.content import text_of
from segue.chat.spans import Spans


def find_part_ends(text: str, messages: Sequence[Mapping[str, Any]], spans: Spans) -> tuple[int, ...]:
    """The offset behind each part of the client's messages that another part of the same message follows; ascending.

    `spans` says where the messages end in `text`. A part that the template did not write as it is ends the search in
    its message.
    """
    found: list[int] = []
    start = 0
    for end, index in zip(spans.ends, spans.indices, strict=True):
        content = messages[index].get("content") if index >= 0 else None
        at = start
        for part in content[:-1] if isinstance(content, list) else ():
            own = text_of([part]).strip()
            place = text.find(own, at, end)
            if place < 0:
                break
            if own:
                at = place + len(own)
                found.append(at)
        start = end
    return tuple(found)
