"""The parts of a reply: text, reasoning and tool calls."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Text:
    """Text for the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Thought:
    """Reasoning."""

    text: str


@dataclass(frozen=True, slots=True)
class CallOpened:
    """The model calls a tool, its `index`-th call in this reply; arguments follow."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class CallArguments:
    """A piece of a call's arguments; all pieces together are JSON text, usually of an object."""

    index: int
    text: str


Part = Text | Thought | CallOpened | CallArguments
