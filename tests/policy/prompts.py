"""Prompts of many shapes, as their marks and lengths."""

import hypothesis.strategies as st

from segue.policy.prompt_marks import Breakpoint, PromptMarks


@st.composite
def prompts(draw: st.DrawFn) -> tuple[PromptMarks, int]:
    """Marks and length of a prompt of short and long messages, and maybe a generation suffix."""
    sizes = draw(st.lists(st.one_of(st.integers(0, 40), st.integers(0, 9000)), max_size=40))
    ends: list[int] = []
    for size in sizes:
        ends.append((ends[-1] if ends else 0) + size)
    ends = [end for end in ends if end > 0]
    n_prompt = max(1, (ends[-1] if ends else 0) + draw(st.integers(0, 300)))
    some = st.lists(st.integers(1, n_prompt), max_size=4).map(lambda positions: tuple(sorted(positions)))
    n_stable = draw(st.integers(0, min(3, len(ends))))
    return PromptMarks(tuple(ends), draw(some), breakpoints(*draw(some)), n_stable), n_prompt


def breakpoints(*ends: int) -> tuple[Breakpoint, ...]:
    return tuple(Breakpoint(end, 300.0) for end in ends)
