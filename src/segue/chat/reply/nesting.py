"""The markers in a value that open something which nothing has closed yet."""

from dataclasses import dataclass
from typing import Final

from segue.chat.reply.piece import Kind


@dataclass(frozen=True, slots=True)
class Nesting:
    """A stack of such markers, which shares its lower part with others. `cost` is that of all of them together."""

    kind: Kind | None = None
    cost: int = 0
    below: "Nesting | None" = None
    kinds: tuple[Kind, ...] = ()

    def opened(self, kind: Kind, cost: int) -> "Nesting":
        """With one marker more, which costs so much unless something closes it."""
        kinds = self.kinds if kind in self.kinds else (*self.kinds, kind)
        return Nesting(kind, self.cost + cost, self, kinds)

    def closed(self, kind: Kind) -> "tuple[Nesting, int] | None":
        """Without the last marker of a kind and those above it, and what these cost; None if there is none."""
        if kind not in self.kinds:
            return None
        stack, cost = self, self.cost
        while stack.below is not None:
            if stack.kind is kind:
                return stack.below, cost - stack.cost
            stack = stack.below
        return None


EMPTY: Final = Nesting()
