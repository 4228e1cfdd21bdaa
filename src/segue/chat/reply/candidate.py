"""One way to read a call whose values are plain text."""

from dataclasses import dataclass, field, replace
from enum import Enum, auto

from segue.chat.reply.nesting import EMPTY, Nesting
from segue.chat.reply.piece import CallPiece, Kind


class State(Enum):
    """Where a candidate is: between parameters, in a value, or behind the call's end."""

    BETWEEN = auto()
    VALUE = auto()
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter whose value are the pieces from `start` to `end`, behind the one `before` it."""

    opening: CallPiece
    start: int
    end: int
    is_closed: bool
    before: "Parameter | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCandidate:
    """One reading of the pieces so far. `opening` and what follows it tell of the value that it is in.

    `is_wrong`: it explains the text, but is no call that may run. `follows_closer`: a marker that closes parameters
    and is content was last; `follows_stray`: it had nothing to close in that content. `is_loose`: nothing but the end
    of the call closed the last value. `has_others`: it has keys that the schema does not list.
    """

    cost: int = 0
    is_wrong: bool = False
    state: State = State.BETWEEN
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
        """Whether a parameter before has this key."""
        last = self.last
        while last is not None and last.opening.key != key:
            last = last.before
        return last is not None

    @property
    def parameters(self) -> list[Parameter]:
        """All of them, in their order."""
        found, last = [], self.last
        while last is not None:
            found.append(last)
            last = last.before
        return found[::-1]
