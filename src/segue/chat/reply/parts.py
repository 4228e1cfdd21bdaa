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


@dataclass(frozen=True, slots=True)
class CallClosed:
    """A call is complete, and may be run. One that is never closed turned out not to be a call, or was cut off.

    The arguments of such a call are not valid JSON: at least their last bracket is missing.
    """

    index: int


Part = Text | Thought | CallOpened | CallArguments | CallClosed
