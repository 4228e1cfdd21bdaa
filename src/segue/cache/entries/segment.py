"""A run of attention cells off the device that follows its parent's; paths share the segments of a common prefix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from segue.engine.base import Tokens
from segue.engine.state import Cells


@dataclass(slots=True, eq=False, kw_only=True)
class Segment:
    """The cells of the tokens `[start, end)` of a path whose first `start` tokens are held by `parent` and above.

    `cells` are in host memory, or None. A lower tier keeps the segment in `file` of `n_stored_bytes`, "" if it does
    not, and keeps all parents of a stored segment. A child begins where its path leaves this one, at its end or before:
    `children[start, first token]`. Of the checkpoints whose chain ends here, `n_users` counts all, `n_host` those in
    memory, `n_stored` those on a lower tier. While it, or a segment below it, `is_being_written`, its stored copy must
    not change. A root holds no tokens.
    """

    parent: Segment | None
    start: int
    tokens: Tokens = field(repr=False)
    cells: Cells | None = field(repr=False)
    children: dict[tuple[int, int], Segment] = field(default_factory=dict, repr=False)
    n_users: int = 0
    n_host: int = 0
    n_stored: int = 0
    file: str = ""
    n_stored_bytes: int = 0
    is_being_written: bool = False

    @classmethod
    def root(cls) -> Segment:
        """An empty segment, at which all paths of a namespace begin."""
        return cls(parent=None, start=0, tokens=np.empty(0, np.int32), cells=None)

    @property
    def end(self) -> int:
        """The position after the last token."""
        return self.start + len(self.tokens)

    @property
    def is_stored(self) -> bool:
        """Whether a lower tier has it."""
        return bool(self.file)

    @property
    def n_bytes(self) -> int:
        """The bytes that its cells take in memory."""
        return 0 if self.cells is None else self.cells.n_bytes

    @property
    def is_needed(self) -> bool:
        """Whether a checkpoint or a child depends on it."""
        return self.n_users > 0 or bool(self.children)

    @property
    def is_needed_on_host(self) -> bool:
        """Whether a checkpoint or a child in memory depends on it."""
        return self.n_host > 0 or any(child.cells is not None for child in self.children.values())

    @property
    def is_needed_below(self) -> bool:
        """Whether a checkpoint or a child on a lower tier depends on it, or one that is being written now."""
        has_child = any(child.is_stored for child in self.children.values())
        return self.n_stored > 0 or has_child or self.is_being_written

    def up(self) -> Iterator[Segment]:
        """This segment and its ancestors, without the root."""
        segment = self
        while segment.parent is not None:
            yield segment
            segment = segment.parent

    def chain(self, n_tokens: int) -> list[tuple[Segment, int]]:
        """The segments that hold the first `n_tokens` of a path that ends here, each with the end of the part used."""
        segments = []
        end = n_tokens
        for segment in self.up():
            segments.append((segment, end))
            end = segment.start
        return segments[::-1]

    def below(self) -> Iterator[Segment]:
        """This segment and all its descendants."""
        stack = [self]
        while stack:
            segment = stack.pop()
            yield segment
            stack.extend(segment.children.values())
