"""Where a reply begins that the client has begun."""

from typing import Any

from segue.chat.prefill import can_go_on, split_prefill

USER = {"role": "user", "content": "hello"}


def by_assistant(content: str | None, **more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": content, **more}


def test_a_last_message_of_the_assistant_begins_the_reply() -> None:
    assert split_prefill([USER, by_assistant("so")], takes_neighbours=True) == ([USER], "so")
    assert split_prefill([USER], takes_neighbours=True) == ([USER], None)


def test_neighbours_are_one_where_the_template_takes_none() -> None:
    messages = [USER, by_assistant("one"), by_assistant("two")]
    assert split_prefill(messages, takes_neighbours=True) == (messages[:2], "two")
    before, prefill = split_prefill(messages, takes_neighbours=False)
    assert before == [USER]
    assert prefill is not None
    assert prefill.startswith("one")
    assert prefill.endswith("two")


def test_a_reply_without_a_question_answers_an_empty_one() -> None:
    assert split_prefill([by_assistant("so")], takes_neighbours=True) == ([{"role": "user", "content": ""}], "so")


def test_calls_and_bare_thoughts_cannot_be_continued() -> None:
    assert can_go_on(by_assistant("so"))
    assert can_go_on(by_assistant(""))
    assert not can_go_on(by_assistant("so", tool_calls=[{"id": "1"}]))
    assert not can_go_on(by_assistant(None, reasoning_content="hm"))
    assert not can_go_on(USER)
