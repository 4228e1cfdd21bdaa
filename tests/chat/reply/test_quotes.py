"""What a line quotes, whatever pieces it comes in."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from segue.chat.reply.quotes import QUOTES, LineQuotes
from tests.chat.reply.kit import cut


def follow(pieces: list[str]) -> LineQuotes:
    quotes = LineQuotes()
    for piece in pieces:
        quotes.feed(piece)
    return quotes


@pytest.mark.parametrize(
    ("text", "following", "encloses"),
    [
        ("a `", "`", True),
        ("a `b", "`", True),
        ("a ``", "`", True),
        ("a `b`", "`", False),
        ("`\na", "`", False),
        ('a "b ', '"', True),
        ("a '", "'", True),
        ("don't", "'", False),
        ("'\n", "'", False),
    ],
)
def test_encloses(text: str, following: str, encloses: bool) -> None:
    assert follow([text]).encloses(following) == encloses


@given(st.text("ab`'\"\n", max_size=12), st.lists(st.integers(0, 12), max_size=6))
def test_pieces_do_not_matter(text: str, cuts: list[int]) -> None:
    at_once, in_pieces = follow([text]), follow(cut(text, cuts))
    assert [at_once.encloses(quote) for quote in QUOTES] == [in_pieces.encloses(quote) for quote in QUOTES]
