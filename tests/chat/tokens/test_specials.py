"""Where special tokens stand in a text."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from segue.chat.tokens.specials import SpecialSplitter

pieces_of_few_letters = st.lists(st.text("ab<", min_size=1, max_size=4), unique=True, max_size=6)


def longest_first(pieces: list[str], text: str) -> list[tuple[int, int, int]]:
    """What llama.cpp does: each special token, the longest first, in what the ones before have left."""
    taken = [False] * len(text)
    found = []
    for piece in sorted(pieces, key=len, reverse=True):
        start = text.find(piece)
        while start >= 0:
            end = start + len(piece)
            if any(taken[start:end]):
                end = start + 1
            else:
                found.append((start, end, pieces.index(piece)))
                taken[start:end] = [True] * len(piece)
            start = text.find(piece, end)
    return sorted(found)


def overlap(pieces: list[str]) -> bool:
    """Whether a piece can begin within another one, or within itself, and reach beyond its end."""
    return any(b.startswith(a[k:]) and len(b) > len(a) - k for a in pieces for b in pieces for k in range(1, len(a)))


@given(pieces_of_few_letters, st.text("ab< ", max_size=30))
def test_it_finds_what_llama_cpp_finds_or_gives_up(pieces: list[str], text: str) -> None:
    found = SpecialSplitter({piece: i for i, piece in enumerate(pieces)}).split(text)
    if found is None:
        assert overlap(pieces), "it gave up without need"
    else:
        assert found == longest_first(pieces, text)


def test_it_gives_up_only_where_tokens_overlap() -> None:
    splitter = SpecialSplitter({"ab": 0, "b<": 1})
    assert splitter.split("a b ab") == [(4, 6, 0)]
    assert splitter.split("ab<") is None


@pytest.mark.parametrize("text", ["", "plain text", "<<", "<|im_start|", "a\nb"])
def test_nothing_there(text: str) -> None:
    assert SpecialSplitter({"<|im_start|>": 1, "\n\n": 2}).split(text) == []
    assert SpecialSplitter({}).split(text) == []
    assert SpecialSplitter({"": 3}).split(text) == []


def test_runs_take_the_longest() -> None:
    splitter = SpecialSplitter({"\n" * n: n for n in range(2, 32)})
    assert splitter.split("a" + "\n" * 40 + "b\n") == [(1, 32, 31), (32, 41, 9)]


def test_an_overlap_is_left_to_llama_cpp() -> None:
    splitter = SpecialSplitter({"ab": 1, "bcd": 2})
    assert splitter.split("abcd") is None
    assert splitter.split("ab bcd abc") == [(0, 2, 1), (3, 6, 2), (7, 9, 1)]


def test_pieces_that_cannot_be_compiled_are_left_to_llama_cpp() -> None:
    assert SpecialSplitter({" " * n: n for n in range(1, 1200)}).split("a b") is None


def test_many_pieces() -> None:
    splitter = SpecialSplitter({f"<unused{n}>": n for n in range(6000)})
    assert splitter.split("x<unused77><unused6000>") == [(1, 11, 77)]
