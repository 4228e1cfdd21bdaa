"""Chains of links: the attention cells of all checkpoints off the device, what paths share stored once."""

import logging

import numpy as np

from segue.engine.base import Engine, Tokens
from segue.engine.cells import Cells
from segue.engine.errors import EngineError
from segue.homes.budget import Budget
from segue.homes.entry import Entry
from segue.homes.link import Link
from segue.state.branch import n_equal
from segue.state.tree import Tree

log = logging.getLogger(__name__)


class Chains:
    """The links of all scopes; `budget` counts those in memory. Belongs to the engine's thread.

    Tokens prove where a path runs. A link goes with the last checkpoint or link that lives on it, and so does a tail
    in memory alone that nobody needs any more.
    """

    def __init__(self, engine: Engine, budget: Budget) -> None:
        self._engine = engine
        self._budget = budget
        self.roots: dict[Tree[Entry], Link] = {}

    def find(self, tree: Tree[Entry], tokens: Tokens) -> tuple[Link, int]:
        """The link that a path's chain ends in, and how many of its tokens the chain holds."""
        link, n = self.roots.setdefault(tree, Link.root()), 0
        while n < len(tokens):
            child = link.children.get((n, int(tokens[n])))
            if child is None:
                break
            link = child
            n += n_equal(tokens[n:], child.tokens)
        return link, n

    def add(self, parent: Link, start: int, tokens: Tokens, cells: Cells | None) -> Link:
        """Make a link for tokens that follow, or branch off, what `parent` holds; there is room, and no link yet."""
        assert parent.start <= start <= parent.end
        if cells is not None:
            self._budget.take(cells.n_bytes)
        link = Link(parent, start, np.array(tokens, np.int32), cells)
        parent.children[start, int(tokens[0])] = link
        return link

    def put(self, link: Link, cells: Cells) -> None:
        """Give a link that is on disk alone its cells back; there is room, and its parents have theirs."""
        assert link.cells is None
        self._budget.take(cells.n_bytes)
        link.cells = cells

    def hold(self, link: Link) -> None:
        """Let one more checkpoint in memory live on a chain."""
        link.n_users += 1
        link.n_host += 1

    def release(self, link: Link) -> None:
        """Let one checkpoint in memory less live on a chain; what nobody needs goes."""
        self.leave_host(link)
        self.forget(link)

    def leave_host(self, link: Link) -> None:
        """Let a checkpoint leave memory whose chain it stays on; of links on disk, too, only the tokens stay."""
        link.n_host -= 1
        assert link.n_host >= 0
        self._leave_host(link)

    def forget(self, link: Link) -> None:
        """Let one checkpoint less live on a chain, none that is in memory."""
        link.n_users -= 1
        assert link.n_users >= link.n_host
        while not link.is_needed and link.parent is not None:
            parent = link.parent
            self._drop_cells(link)
            del parent.children[link.start, int(link.tokens[0])]
            link = parent
        self._leave_host(link)
        if not link.n_users and link.row is None and not link.is_being_written:
            self._trim(link)

    def freed_bytes(self, link: Link) -> int:
        """What `release` would free in memory: the links that only one checkpoint lives on, but for trimmed tails."""
        n_bytes = 0
        n_own, n_below = 1, 0
        for one in link.up():
            n_loaded = sum(child.cells is not None for child in one.children.values())
            if one.n_host > n_own or n_loaded > n_below:
                break
            n_bytes += one.n_bytes
            n_own, n_below = 0, 1
        return n_bytes

    def check_integrity(self) -> int:
        """Assert that the links are whole; the bytes that they take in memory."""
        n_bytes = 0
        for root in self.roots.values():
            for link in root.below():
                n_bytes += link.n_bytes
                parent = link.parent
                if parent is not None:
                    assert link.is_needed, "a link is kept for nobody"
                    assert link.cells is not None or link.row is not None
                    assert link.cells is None or (link.cells.start, link.cells.end) == (link.start, link.end)
                    assert parent.parent is None or link.row is None or parent.row is not None
                    assert link.is_needed_on_host or link.cells is None or link.row is None
                    assert parent.start < link.start <= parent.end or parent.parent is None
                for (start, token), child in link.children.items():
                    assert child.parent is link
                    assert (child.start, child.tokens[0]) == (start, token)
                    assert start == link.end or link.tokens[start - link.start] != token
        return n_bytes

    def _leave_host(self, link: Link) -> None:
        """Drop the cells, from a link up, that are on disk and that nobody in memory lives on."""
        for one in link.up():
            if one.is_needed_on_host or one.row is None:
                break
            self._drop_cells(one)

    def _drop_cells(self, link: Link) -> None:
        self._budget.give(link.n_bytes)
        link.cells = None

    def _trim(self, link: Link) -> None:
        """Drop the tail behind the last child of a link that no checkpoint ends in."""
        end = max((start for start, _ in link.children), default=link.end)
        if link.cells is None or end == link.end:
            return
        try:
            cells = self._engine.cut(link.cells, end)
        except EngineError as error:
            log.debug("a tail stays: %s", error)
            return
        self._budget.give(link.n_bytes - cells.n_bytes)
        link.cells, link.tokens = cells, link.tokens[: end - link.start].copy()
