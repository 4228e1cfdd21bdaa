"""Places the breakpoints that a client asks for in a rendered prompt."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

from segue.chat.rendered_prompt import PREAMBLE, RenderedPrompt
from segue.policy.prompt_marks import Breakpoint


class Wish(NamedTuple):
    """All up to and with message `message`, or the tools if it is `PREAMBLE`, is to stay for `ttl_s` after each use."""

    message: int
    ttl_s: float


def with_breakpoints(rendered: RenderedPrompt, wishes: Iterable[Wish]) -> RenderedPrompt:
    """The prompt with a breakpoint for each wish: at the end of its message, or of the last one before it.

    Tools that share their text with the system prompt end with that. What has no known end before it gets none.
    """
    places = [(wish, _end(rendered, wish.message)) for wish in wishes]
    return replace(rendered, breakpoints=tuple(Breakpoint(end, wish.ttl_s) for wish, end in places if end))


def _end(rendered: RenderedPrompt, message: int) -> int:
    ends = list(zip(rendered.message_ends, rendered.message_indices, strict=True))
    found = max((end for end, index in ends if index <= message), default=0)
    if message == PREAMBLE and not found and rendered.n_stable:
        return rendered.message_ends[rendered.n_stable - 1]
    return found
