"""S27: a message that stands in one request only."""

from collections.abc import Iterator

import pytest

from tests.conftest import MakeRig
from tests.kit.conversation import N_HEADER, Prompt, chat, text
from tests.kit.reference import Reference
from tests.kit.rig import Rig

SYSTEM = ("system", text(1, 100))
N_SLACK = 8


def talk(n_above: int, n_turns: int) -> Iterator[Prompt]:
    """A conversation in which each request has a note of its own, so many messages above the end."""
    history = [SYSTEM, ("user", text(2, 40)), ("assistant", text(3, 20)), ("user", text(4, 40))]
    for turn in range(n_turns):
        at = max(1, len(history) - n_above)
        yield chat(*history[:at], ("system", text(100 + turn, 15)), *history[at:])
        history += [("assistant", text(200 + turn, 30)), ("user", text(300 + turn, 30))]


def loop(n_above: int, n_turns: int) -> Iterator[Prompt]:
    """Tool loops of three calls behind each question, with a note in each request."""
    history = [SYSTEM, ("user", text(5, 40))]
    for turn in range(n_turns):
        at = max(1, len(history) - n_above)
        yield chat(*history[:at], ("system", text(100 + turn, 15)), *history[at:])
        history += [("assistant", text(200 + turn, 20)), ("user", text(300 + turn, 50))]
        if turn % 4 == 3:
            history += [("assistant", text(400 + turn, 20)), ("user", text(500 + turn, 25))]


def n_again(rig: Rig, reference: Reference, prompt: Prompt) -> int:
    """Tokens read again though their path was known; the reply is the uncached one."""
    heard = rig.ask(prompt.tokens, 4, marks=prompt.marks)
    reference.agrees(prompt.tokens, heard)
    assert heard.end is not None
    assert heard.end.report is not None
    return heard.end.report.n_read - heard.end.report.new


@pytest.mark.parametrize("n_above", [1, 2, 3, 5])
def test_s27_a_note_in_each_request(make_rig: MakeRig, reference: Reference, n_above: int) -> None:
    rig = make_rig()
    again = [n_again(rig, reference, prompt) for prompt in talk(n_above, 6)]
    assert max(again[2:]) <= N_HEADER + N_SLACK


@pytest.mark.parametrize("n_above", [1, 3])
def test_s27_a_note_in_each_request_of_a_tool_loop(make_rig: MakeRig, reference: Reference, n_above: int) -> None:
    rig = make_rig()
    again = [n_again(rig, reference, prompt) for prompt in loop(n_above, 10)]
    assert max(again[2:]) <= N_HEADER + N_SLACK
