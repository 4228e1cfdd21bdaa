"""Joins the parts of a reply."""

from collections.abc import Iterable
from dataclasses import dataclass

from segue.chat.reply.parts import CallArguments, CallOpened, Part, Text, Thought


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole content of a reply. `calls` are names with their arguments as JSON text."""

    content: str
    reasoning: str
    calls: tuple[tuple[str, str], ...]


def parts_whole(parts: Iterable[Part]) -> Whole:
    """Join the parts of one reply, in their order."""
    content, reasoning = [], []
    calls: dict[int, tuple[str, list[str]]] = {}
    for part in parts:
        match part:
            case Text(text):
                content.append(text)
            case Thought(text):
                reasoning.append(text)
            case CallOpened(index, name):
                calls[index] = (name, [])
            case CallArguments(index, text):
                calls[index][1].append(text)
    joined = tuple((name, "".join(pieces)) for name, pieces in calls.values())
    return Whole("".join(content), "".join(reasoning), joined)
