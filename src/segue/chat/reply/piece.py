"""The pieces of a call whose values are plain text: its markers, and the text between them."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from segue.chat.reply.family import ElementForm


class Kind(Enum):
    """The kinds of pieces."""

    TEXT = auto()
    SECTION = auto()
    SECTION_END = auto()
    CALL = auto()
    CALL_END = auto()
    PARAMETER = auto()
    PARAMETER_END = auto()


CLOSES: Final = {
    Kind.SECTION_END: Kind.SECTION,
    Kind.CALL_END: Kind.CALL,
    Kind.PARAMETER_END: Kind.PARAMETER,
}
"""The kind that each closing marker closes."""


@dataclass(frozen=True, slots=True)
class CallPiece:
    """A marker, or text. A parameter's marker includes its head, which gives the key and perhaps the type."""

    kind: Kind
    text: str
    key: str = ""
    type: str | None = None

    @property
    def is_string(self) -> bool:
        """Whether the head says that the value is a string."""
        return self.type in ("true", "string")


def kinds_of(form: ElementForm) -> dict[str, Kind]:
    """The markers of a form, each with its kind."""
    kinds = {
        form.section[0]: Kind.SECTION,
        form.section[1]: Kind.SECTION_END,
        form.call[0]: Kind.CALL,
        form.call[1]: Kind.CALL_END,
        form.parameter[0]: Kind.PARAMETER,
        form.parameter[1]: Kind.PARAMETER_END,
    }
    return {marker: kind for marker, kind in kinds.items() if marker}
