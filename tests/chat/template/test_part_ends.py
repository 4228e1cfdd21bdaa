from typing import Any

from segue.chat.rendered_prompt import PREAMBLE
from segue.chat.template.part_ends import find_part_ends
from segue.chat.template.spans import Spans

PARTS = [{"type": "text", "text": text} for text in ("one", " two ", "", "three")]


def ends(text: str, *pieces: str) -> tuple[int, ...]:
    """Where pieces end that follow each other in a text."""
    found, at = [], 0
    for piece in pieces:
        at = text.index(piece, at) + len(piece)
        found.append(at)
    return tuple(found)


def test_each_part_but_the_last_of_a_message_ends_somewhere() -> None:
    text = "<s>tools</s><u>one\n two \n\nthree</u><a>two</a>"
    spans = Spans(ends(text, "</s>", "</u>", "</a>"), (PREAMBLE, 0, 1), 1)
    messages: list[dict[str, Any]] = [{"role": "user", "content": PARTS}, {"role": "assistant", "content": "two"}]
    assert find_part_ends(text, messages, spans) == ends(text, "one", "two")


def test_messages_that_were_written_as_one_are_its_parts() -> None:
    text = "<u>one</u><a>two</a><u>one\n\ntwo\n\nthree</u>"
    spans = Spans(ends(text, "</u>", "</a>", "</u>"), (0, 1, 4), 0)
    contents = ("one", "two", "one", "two", "three")
    messages = [{"role": "user", "content": content} for content in contents]
    first = text.rindex("one")
    assert find_part_ends(text, messages, spans) == (first + 3, first + 8)


def test_a_part_that_was_written_otherwise_ends_the_search_in_its_message() -> None:
    text = "<u>one, 2, three</u><u>one three</u>"
    spans = Spans(ends(text, "</u>", "</u>"), (0, 1), 0)
    messages = [{"content": PARTS}, {"content": [PARTS[0], PARTS[3]]}]
    second = text.rindex("one")
    assert find_part_ends(text, messages, spans) == (text.index("one") + 3, second + 3)


def test_without_parts_there_is_nothing_to_find() -> None:
    text = "<u>one</u><u></u>"
    spans = Spans(ends(text, "</u>", "</u>"), (0, 1), 0)
    assert find_part_ends(text, [{"content": "one"}, {"content": None}], spans) == ()
