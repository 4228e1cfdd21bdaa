"""A message on its way from the client to the template."""

from dataclasses import dataclass, replace
from typing import Any

from segue.chat.template.order import Message


@dataclass(frozen=True, slots=True)
class Turn:
    """A message, its content a text, and the client's index of it, or of the one that it was made for.

    `parts` are the texts that the client sent as a list, in place of which the joined text stands.
    """

    message: Message
    origin: int
    parts: tuple[str, ...] = ()

    @property
    def role(self) -> str:
        """Who says it."""
        return str(self.message.get("role"))

    @property
    def text(self) -> str:
        """Its content."""
        return str(self.message.get("content") or "")

    @property
    def calls(self) -> list[Any]:
        """The calls in it, as the client wrote them."""
        calls = self.message.get("tool_calls")
        return calls if isinstance(calls, list) else []

    def by(self, role: str) -> "Turn":
        """The same, said by another."""
        return replace(self, message={**self.message, "role": role})

    def saying(self, text: str) -> "Turn":
        """The same with another text."""
        return replace(self, message={**self.message, "content": text}, parts=())


def turn_by(role: str, text: str, origin: int) -> Turn:
    """A turn that no client sent."""
    return Turn({"role": role, "content": text}, origin)
