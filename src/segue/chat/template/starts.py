"""Where a template began to write each message."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from segue.chat.template.render import LOOP_END, TemplateVisit


class Start(NamedTuple):
    """The text of message `message` begins at character `offset`; `LOOP_END` stands for the end of the last one."""

    message: int
    offset: int


def starts_seen(visits: Sequence[TemplateVisit], n_leading: int) -> list[Start]:
    """The starts that the visits of a render show: ascending in index and offset, then the end of the last loop.

    Loops that wrote something wrote the messages; others only looked at them. A message after the `n_leading`
    first that every loop passed over in silence was written where something else took it up, if anything did.
    Empty where no loop wrote anything, as in a template that collects its text in a variable.
    """
    runs = _writing_runs(visits)
    if not runs:
        return []
    written: dict[int, Start] = {}
    n_written: dict[int, int] = {}
    for run in runs:
        for start, following in pairwise(run):
            n = following.offset - start.offset
            if n > n_written.get(start.message, 0):
                written[start.message], n_written[start.message] = start, n
    offsets: dict[int, list[int]] = {}
    for visit in visits:
        offsets.setdefault(visit.message, []).append(visit.offset)
    end = max(run[-1] for run in runs)
    n_seen = max(offsets) + 1
    starts: list[Start] = []
    for start in [*sorted(written.values()), Start(n_seen, end.offset)]:
        for index in range(max(starts[-1].message, n_leading) + 1 if starts else start.message, start.message):
            low, high = starts[-1].offset, start.offset
            between = [offset for offset in offsets.get(index, ()) if low < offset < high]
            starts += [Start(index, max(between))] if between else []
        if start.message < n_seen and (not starts or starts[-1].offset < start.offset):
            starts.append(start)
    return [*starts, end]


def starts_guessed(text: str, marked: Sequence[tuple[Start, str]], n_closed: int) -> list[Start]:
    """The starts in `text` that a render with marks before each message's own text shows, less exactly.

    `marked` are those messages with the place of their own text, and that text. A message is taken to end where its
    text does, so the few characters that close it count to the next one; which they are cannot be told.
    """
    starts = [
        Start(start.message + 1, start.offset + len(own))
        for start, own in marked[:-1]
        if own and text.startswith(own, start.offset)
    ]
    return [*starts, Start(LOOP_END, n_closed)] if starts else []


def _writing_runs(visits: Sequence[TemplateVisit]) -> list[list[Start]]:
    """Runs of loops that wrote something, not inside each other: what each took up in ascending order, then its end."""
    runs: list[list[Start]] = []
    running: dict[int, list[Start]] = {}
    for site, index, offset in visits:
        run = running.setdefault(site, [])
        if index != LOOP_END:
            if not run or run[-1].message < index:
                run.append(Start(index, offset))
        elif run:
            runs.append([*run, Start(LOOP_END, offset)])
            del running[site]
    outer: list[list[Start]] = []
    for run in sorted(runs, key=lambda run: run[0].offset - run[-1].offset):
        first, end = run[0].offset, run[-1].offset
        if first < end and all(end <= other[0].offset or other[-1].offset <= first for other in outer):
            outer.append(run)
    return outer
