"""Text that arrives in pieces is read as if all of it were there."""

import hypothesis.strategies as st
from hypothesis import given

from segue.chat.reply.reader import Markers, Reader, Reading
from tests.chat.reply.kit import cut

MARKERS = Markers("ab", "abba", "bb", "c")


def read_all(reader: Reader, found: list[str]) -> Reading[None]:
    while marker := (yield from reader.until(MARKERS, found.append)):
        found.append(f"<{reader.skip(len(marker))}>")


def drive(reader: Reader, reading: Reading[None], pieces: list[str]) -> None:
    for piece in pieces:
        reader.feed(piece)
        next(reading)
    reader.end()
    assert next(reading, "done") == "done"


@given(st.text("abc", max_size=12), st.lists(st.integers(0, 12), max_size=8))
def test_pieces_do_not_matter(text: str, cuts: list[int]) -> None:
    at_once: list[str] = []
    drive(reader := Reader(), read_all(reader, at_once), [text])
    found: list[str] = []
    drive(reader := Reader(), read_all(reader, found), cut(text, cuts))
    assert "".join(found) == "".join(at_once)
    assert "".join(found).replace("<", "").replace(">", "") == text


def test_the_longest_marker_wins_and_the_rest_is_given_at_once() -> None:
    found: list[str] = []
    reader = Reader()
    reading = read_all(reader, found)
    steps = []
    for piece in ["xa", "b", "b", "a", "xab"]:
        reader.feed(piece)
        next(reading)
        steps.append("".join(found))
    assert steps == ["x", "x", "x", "x<abba>", "x<abba>x"]


def test_what_is_read_is_kept_on_demand() -> None:
    found: list[str] = []
    reader = Reader()
    reader.keep("first ")
    drive(reader, read_all(reader, found), ["xab", "y"])
    assert reader.kept() == "first xaby"
    assert reader.kept() == ""


def test_nothing_to_look_for() -> None:
    assert Markers("").find("text", 1, is_over=False) == (4, "")
    assert Markers().match("", 0, is_over=False) == ""
