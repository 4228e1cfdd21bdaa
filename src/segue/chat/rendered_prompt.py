"""A rendered prompt: its text, and where in it a checkpoint is likely to pay."""

from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

from segue.policy.prompt_marks import Breakpoint

PREAMBLE = -1
"""Stands for the message index of text that no message wrote: tools, a default system prompt."""


class WrittenText(NamedTuple):
    """Characters `[start, end)` of a prompt that a model wrote, with its own tokens, int32, for them."""

    start: int
    end: int
    tokens: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPrompt:
    """A conversation as a chat template has written it. All offsets count characters of `text`.

    `message_ends` are exclusive ends, strictly ascending, each of the text up to and with the message whose index
    stands beside it in `message_indices` (`PREAMBLE` for tools and the like); a message whose end was not found is
    left out, and the last end lies before the generation suffix. The first `n_stable` of them belong to the
    system prompt and the tools. `volatile` are offsets in that stable part before text that is likely to differ
    in the next request. `breakpoints` are the client's own: a template sets none. A wrong offset costs time, never
    correctness. `written` are ascending, and each begins at the start or behind a special token. `part_ends` lie inside
    messages whose content has several parts, each at the end of one that another follows. `begun` is where the message
    begins that is the beginning of the reply; None if there is none.
    """

    text: str
    _: KW_ONLY
    message_ends: tuple[int, ...] = ()
    message_indices: tuple[int, ...] = ()
    n_stable: int = 0
    volatile: tuple[int, ...] = ()
    breakpoints: tuple[Breakpoint, ...] = ()
    written: tuple[WrittenText, ...] = ()
    part_ends: tuple[int, ...] = ()
    begun: int | None = None
