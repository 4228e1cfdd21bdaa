"""Message starts from what a template was seen to do."""

from segue.chat.template.render import LOOP_END, TemplateRun, TemplateVisit
from segue.chat.template.starts import Start, starts_guessed, starts_seen


def visits(*steps: tuple[int, int] | str) -> list[TemplateVisit]:
    """What a render records of steps: `(site, message)`, `(site, LOOP_END)`, or a text that is written."""
    messages: list[dict[str, object]] = [{} for _ in range(9)]
    render = TemplateRun(messages, deadline_s=60)
    for step in steps:
        if isinstance(step, str):
            render.write(step)
        elif step[1] == LOOP_END:
            render.end_loop(step[0])
        else:
            render.visit(step[0], messages[step[1]])
    return render.visits


def test_a_loop_that_writes() -> None:
    seen = visits("bos", (1, 0), "one", (1, 1), "two", (1, LOOP_END), "suffix")
    assert starts_seen(seen, 0) == [Start(0, 3), Start(1, 6), Start(LOOP_END, 9)]


def test_loops_that_only_look_are_forgotten() -> None:
    seen = visits((2, 1), (2, 0), (2, LOOP_END), (1, 0), "one", (3, 1), (3, LOOP_END), (1, 1), "two", (1, LOOP_END))
    assert {visit.site for visit in seen} == {1}
    assert starts_seen(seen, 0) == [Start(0, 0), Start(1, 3), Start(LOOP_END, 6)]


def test_two_loops_share_the_messages() -> None:
    seen = visits((1, 0), "one", (1, LOOP_END), "-", (2, 1), "two", (2, 2), "three", (2, LOOP_END))
    assert starts_seen(seen, 0) == [Start(0, 0), Start(1, 4), Start(2, 7), Start(LOOP_END, 12)]


def test_a_silent_message_began_where_an_inner_loop_took_it_up() -> None:
    seen = visits((1, 0), "call", (2, 1), "result", (2, 2), (2, LOOP_END), (1, 1), (1, 2), "end", (1, LOOP_END))
    assert starts_seen(seen, 0) == [Start(0, 0), Start(1, 4), Start(2, 10), Start(LOOP_END, 13)]


def test_nothing_seen() -> None:
    assert starts_seen([], 0) == []
    assert starts_seen(visits((1, 0), (1, LOOP_END), "text"), 0) == []


def test_ends_are_guessed_from_the_texts() -> None:
    text = "user: a/bot: b/user: c/"
    marked = [(Start(0, 6), "a"), (Start(1, 13), "b"), (Start(2, 21), "c")]
    assert starts_guessed(text, marked, 23) == [Start(1, 7), Start(2, 14), Start(LOOP_END, 23)]
    altered = [(Start(0, 6), "A"), (Start(1, 13), "b"), (Start(2, 21), "c")]
    assert starts_guessed(text, altered, 23) == [Start(2, 14), Start(LOOP_END, 23)]
    assert starts_guessed(text, [], 23) == []
