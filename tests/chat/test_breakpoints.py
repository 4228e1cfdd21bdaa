"""Wishes to offsets."""

from segue.chat.breakpoints import Wish, with_breakpoints
from segue.chat.rendered_prompt import PREAMBLE, RenderedPrompt


def ends(rendered: RenderedPrompt, *messages: int) -> list[int]:
    marked = with_breakpoints(rendered, [Wish(message, 300.0) for message in messages])
    assert marked.text == rendered.text
    return [mark.end for mark in marked.breakpoints]


def test_a_wish_falls_on_the_end_of_its_message_or_of_the_last_known_before_it() -> None:
    rendered = RenderedPrompt(text="x" * 50, message_ends=(10, 20, 40), message_indices=(0, 1, 3), n_stable=1)
    assert ends(rendered, 0, 1, 2, 3, 9) == [10, 20, 20, 40, 40]


def test_tools_end_by_themselves_or_with_the_system_prompt() -> None:
    alone = RenderedPrompt(text="x" * 50, message_ends=(5, 10, 20), message_indices=(PREAMBLE, 0, 1), n_stable=2)
    assert ends(alone, PREAMBLE) == [5]
    behind = RenderedPrompt(text="x" * 50, message_ends=(5, 10, 20), message_indices=(0, PREAMBLE, 1), n_stable=2)
    assert ends(behind, PREAMBLE, 0) == [10, 10]
    inside = RenderedPrompt(text="x" * 50, message_ends=(10, 20), message_indices=(0, 1), n_stable=1)
    assert ends(inside, PREAMBLE) == [10]


def test_what_has_no_known_end_gets_no_breakpoint() -> None:
    assert ends(RenderedPrompt(text="x"), PREAMBLE, 0) == []
    assert ends(RenderedPrompt(text="x" * 50, message_ends=(10,), message_indices=(2,)), 1) == []
