"""Joins the parts of a reply."""

from collections.abc import Iterable
from dataclasses import dataclass

from segue.chat.reply.parts import CallArguments, CallClosed, CallOpened, Part, Text, Thought


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole content of a reply. `calls` are names with their arguments as JSON text."""

    content: str
    reasoning: str
    calls: tuple[tuple[str, str], ...]


def parts_whole(parts: Iterable[Part]) -> Whole:
    """Join the parts of one reply, in their order, without calls that were not completed."""
    content, reasoning = [], []
    calls: dict[int, tuple[str, list[str]]] = {}
    closed: list[int] = []
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
            case CallClosed(index):
                closed.append(index)
    joined = tuple((calls[index][0], "".join(calls[index][1])) for index in closed)
    return Whole("".join(content), "".join(reasoning), joined)
