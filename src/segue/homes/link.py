"""A run of attention cells off the device, behind those of its parent: what paths share is stored once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from segue.engine.base import Tokens
from segue.engine.cells import Cells


@dataclass(slots=True, eq=False)
class Link:
    """The cells of the tokens `[start, end)` of a path whose first `start` tokens are those that `parent` leads to.

    `cells` are in host memory, or None. On disk it is `row` of the index, in `file` of `n_disk_bytes`; its parents are
    there too. A child begins where its path leaves this one, at its end or before: `children[start, first token]`. Of
    the checkpoints whose chain ends here `n_users` counts all, `n_host` those that are in memory, `n_stored` those on
    disk. One that `is_being_written`, or written upon, stays on disk as it is. A root holds no tokens.
    """

    parent: Link | None
    start: int
    tokens: Tokens = field(repr=False)
    cells: Cells | None = field(repr=False)
    children: dict[tuple[int, int], Link] = field(default_factory=dict, repr=False)
    n_users: int = 0
    n_host: int = 0
    n_stored: int = 0
    row: int | None = None
    file: str = ""
    n_disk_bytes: int = 0
    is_being_written: bool = False

    @classmethod
    def root(cls) -> Link:
        """A link that holds nothing, and that all paths of a scope begin with."""
        return cls(None, 0, np.empty(0, np.int32), None)

    @property
    def end(self) -> int:
        """The position after the last token."""
        return self.start + len(self.tokens)

    @property
    def n_bytes(self) -> int:
        """What its cells take in memory."""
        return 0 if self.cells is None else self.cells.n_bytes

    @property
    def is_needed(self) -> bool:
        """Whether a checkpoint or a child lives on it."""
        return self.n_users > 0 or bool(self.children)

    @property
    def is_needed_on_host(self) -> bool:
        """Whether a checkpoint or a child in memory lives on it."""
        return self.n_host > 0 or any(child.cells is not None for child in self.children.values())

    @property
    def is_needed_on_disk(self) -> bool:
        """Whether a checkpoint or a child on disk lives on it, or one that is just being written."""
        has_child = any(child.row is not None for child in self.children.values())
        return self.n_stored > 0 or has_child or self.is_being_written

    def up(self) -> Iterator[Link]:
        """This link and those that it hangs on, but for the root."""
        link = self
        while link.parent is not None:
            yield link
            link = link.parent

    def chain(self, n_tokens: int) -> list[tuple[Link, int]]:
        """The links that hold the first `n_tokens` of a path that ends here, with how far each is followed."""
        links = []
        end = n_tokens
        for link in self.up():
            links.append((link, end))
            end = link.start
        return links[::-1]

    def below(self) -> Iterator[Link]:
        """This link and all that hang on it."""
        stack = [self]
        while stack:
            link = stack.pop()
            yield link
            stack.extend(link.children.values())
