"""One way to read a call whose values are plain text."""

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from segue.chat.reply.nesting import EMPTY, Nesting
from segue.chat.reply.piece import CallPiece, Kind


class CallState(Enum):
    """The state of a candidate: between parameters, in a value, or after the end of the call."""

    BETWEEN = auto()
    VALUE = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter whose value is the pieces from `start` to `end`; `before` is the previous parameter."""

    opening: CallPiece
    start: int
    end: int
    is_closed: bool
    before: "Parameter | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCandidate:
    """One reading of the pieces so far. `opening` and the fields after it describe the value that the reading is in.

    `is_wrong`: the reading explains the text, but is not a call that may run. `follows_closer`: the last piece was a
    parameter's closing marker, taken as content; `follows_stray`: that marker closed nothing in the content.
    `is_loose`: only the end of the call closed the last value. `has_others`: it has keys that the schema does not list.
    """

    cost: int = 0
    is_wrong: bool = False
    state: CallState = CallState.BETWEEN
    last: Parameter | None = None
    n_parameters: int = 0
    opening: CallPiece = field(default=CallPiece(Kind.TEXT, ""))
    start: int = 0
    nesting: Nesting = EMPTY
    follows_closer: bool = False
    follows_stray: bool = False
    is_section_over: bool = False
    is_loose: bool = False
    has_others: bool = False

    def plus(self, cost: int, *, is_wrong: bool = False) -> "CallCandidate":
        """The same at a higher cost."""
        return replace(self, cost=self.cost + cost, is_wrong=self.is_wrong or is_wrong)

    def has(self, key: str) -> bool:
        """Whether an earlier parameter has this key."""
        last = self.last
        while last is not None and last.opening.key != key:
            last = last.before
        return last is not None

    @property
    def parameters(self) -> list[Parameter]:
        """All parameters, in order."""
        found, last = [], self.last
        while last is not None:
            found.append(last)
            last = last.before
        return found[::-1]
