"""The unclosed opening markers in a value."""

from dataclasses import dataclass
from typing import Final

from segue.chat.reply.piece import Kind


@dataclass(frozen=True, slots=True)
class Nesting:
    """A stack of such markers, which shares its lower part with other stacks. `cost` is the sum of their costs."""

    kind: Kind | None = None
    cost: int = 0
    below: "Nesting | None" = None
    kinds: tuple[Kind, ...] = ()

    def opened(self, kind: Kind, cost: int) -> "Nesting":
        """The stack with one more marker, which adds `cost` unless it is closed."""
        kinds = self.kinds if kind in self.kinds else (*self.kinds, kind)
        return Nesting(kind, self.cost + cost, self, kinds)

    def closed(self, kind: Kind) -> "tuple[Nesting, int] | None":
        """The stack without the last marker of a kind and those above it, with their cost; None if there is none."""
        if kind not in self.kinds:
            return None
        stack, cost = self, self.cost
        while stack.below is not None:
            if stack.kind is kind:
                return stack.below, cost - stack.cost
            stack = stack.below
        return None


EMPTY: Final = Nesting()
