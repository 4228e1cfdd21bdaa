"""The positions in a prompt where a checkpoint is likely to pay."""

from dataclasses import dataclass
from typing import NamedTuple


class Breakpoint(NamedTuple):
    """A client's own mark: the checkpoint at `end`, exclusive, stays pinned for `ttl_s` seconds after each use."""

    end: int
    ttl_s: float


@dataclass(frozen=True, slots=True)
class PromptMarks:
    """Positions (token counts from the prompt's start) where a checkpoint is likely to pay.

    All are exclusive ends, ascending, within `[1, n_prompt]`. `message_ends` are the ends of the rendered messages
    (system and tools included), the last one lying before the generation suffix; `volatile` lie before spans that
    look like a date, a UUID or the like; `breakpoints` are the client's own; `n_stable` is how many of the first
    message ends belong to system prompt and tools; `part_ends` are the ends of parts inside messages that another part
    follows. A raw prompt has none of them.
    """

    message_ends: tuple[int, ...] = ()
    volatile: tuple[int, ...] = ()
    breakpoints: tuple[Breakpoint, ...] = ()
    n_stable: int = 0
    part_ends: tuple[int, ...] = ()

    @property
    def boundaries(self) -> tuple[int, ...]:
        """The ends of messages and their parts, ascending; clients add, change or omit the text between two of them."""
        return tuple(sorted({*self.message_ends, *self.part_ends})) if self.part_ends else self.message_ends
