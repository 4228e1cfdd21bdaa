"""Learns where prompts of a conversation diverge from earlier ones, so that the next prompt has checkpoints there."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

_MOST_PROMPTS = 64
_MOST_BOUNDARIES = 24
_MOST_DISTANCES = 4
_MOST_AGE = 16


@dataclass(frozen=True, slots=True)
class Divergence:
    """Prompts diverged `distance` boundaries before the end of an earlier one, last seen `age` prompts ago."""

    distance: int
    age: int = 0


@dataclass(frozen=True, slots=True)
class Divergences:
    """The boundaries of a conversation's prompts, and at which of them later prompts left the path.

    A boundary is the end of a message, or of a part of one. A distance counts the boundaries between the divergence and
    the end of the prompt that was the first to read past it, since a checkpoint can be taken there only while that
    prompt is read. A client that puts a note three messages above the end of each request diverges at the same distance
    every time, however long the conversation grows. `prompts` holds the last boundaries of each prompt on the path,
    ascending, the oldest prompt first.
    """

    prompts: tuple[tuple[int, ...], ...] = ()
    seen: tuple[Divergence, ...] = ()

    def then(self, n_known: int, boundaries: Sequence[int]) -> Divergences:
        """The divergences after a further prompt with these boundaries, whose first `n_known` tokens were known."""
        older = [Divergence(one.distance, one.age + 1) for one in self.seen if one.age < _MOST_AGE]
        first = next((ends for ends in self.prompts if ends[-1] > n_known), None)
        if first is not None and n_known >= first[0]:
            distance = len(first) - bisect_right(first, n_known)
            older = [Divergence(distance), *(one for one in older if one.distance != distance)]
        prompts = [ends for ends in self.prompts if ends[-1] <= n_known]
        ends = tuple(boundaries[-_MOST_BOUNDARIES:])
        if ends and prompts[-1:] != [ends]:
            prompts.append(ends)
        return Divergences(tuple(prompts[-_MOST_PROMPTS:]), tuple(older[:_MOST_DISTANCES]))

    def expected(self, boundaries: Sequence[int]) -> tuple[int, ...]:
        """The boundaries of a prompt at which the next one is likely to leave it."""
        n = len(boundaries)
        return tuple(boundaries[n - 1 - one.distance] for one in self.seen if one.distance < n)
