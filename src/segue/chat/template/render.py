"""One run of a chat template: the limits of its cost, and its steps in order."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_CHARS = 1 << 24
LOOP_END = -1
"""Stands for the message index of a visit that is the end of a loop."""
_CLOCK_EVERY = 16


class TemplateVisit(NamedTuple):
    """At statement `site` the template took up message `message` when it had written `offset` characters."""

    site: int
    message: int
    offset: int


class LimitError(Exception):
    """A template ran too long or grew too large."""


class TemplateRun:
    """The output of one run of a template, and the messages that it took up, in order of time.

    `visits` leaves out loops that took up messages and wrote nothing, and of several visits from one site between
    which nothing was written it keeps the last. Belongs to the thread that renders, whose time alone counts.
    """

    def __init__(self, messages: Sequence[Mapping[str, Any]], deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._stops_at = time.thread_time() + deadline_s
        self._indices = {id(message): index for index, message in enumerate(messages)}
        self._n_chars = 0
        self._n_visits = 0
        self._first: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self.visits: list[TemplateVisit] = []

    def tick(self) -> None:
        """Record that the template goes on. Raises `LimitError` when time is up."""
        if time.thread_time() > self._stops_at:
            raise LimitError(f"it took more than {self._deadline_s:g} seconds")

    def visit(self, site: int, value: object) -> None:
        """Record that the template is at `site` with `value` in hand. Raises `LimitError` when time is up."""
        self._n_visits += 1
        if self._n_visits % _CLOCK_EVERY == 0:
            self.tick()
        index = self._indices.get(id(value))
        if index is None:
            return
        visit, last = TemplateVisit(site, index, self._n_chars), self._last.get(site, -1)
        if 0 <= last < len(self.visits):
            known = self.visits[last]
            if known.site == site and known.offset == self._n_chars:
                self.visits[last] = visit
                return
        self._last[site] = len(self.visits)
        self._first.setdefault(site, len(self.visits))
        self.visits.append(visit)

    def end_loop(self, site: int) -> None:
        """Record that the loop at `site` is over."""
        first = self._first.pop(site, None)
        if first is None:
            return
        if self.visits[first].offset == self._n_chars:
            del self.visits[first:]
        else:
            self.visits.append(TemplateVisit(site, LOOP_END, self._n_chars))

    def write(self, piece: str) -> None:
        """Record that the template wrote `piece`. Raises `LimitError` when it has written too much."""
        self._n_chars += len(piece)
        if self._n_chars > MAX_CHARS:
            raise LimitError(f"it wrote more than {MAX_CHARS} characters")
