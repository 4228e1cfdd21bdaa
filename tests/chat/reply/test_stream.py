"""Generated tokens to text: nothing uncertain is shown, nothing certain is held back, stop strings end the reply."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from segue.chat.reply.stream import TextDelta, TextStream
from tests.kit.byte_vocabulary import END, START, ByteVocabulary

VOCABULARY = ByteVocabulary()


class ChunkVocabulary(ByteVocabulary):
    """Token n is the n-th of the chunks that a reply was cut into, of at most 256."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.chunks = chunks

    def piece(self, token: int) -> bytes:
        return self.chunks[token]


def stream(chunks: list[bytes], stops: tuple[str, ...]) -> tuple[list[str], str]:
    """The pieces of text, and the stopping word."""
    text_stream = TextStream(ChunkVocabulary(chunks), stops)
    pieces = []
    for token in range(len(chunks)):
        delta = text_stream.feed(token)
        pieces.append(delta.text)
        if delta.stopped:
            return pieces, delta.stopping_word
    return [*pieces, text_stream.flush()], ""


def naive(text: str, stops: tuple[str, ...]) -> tuple[str, str]:
    """The text before the stop string that is complete first, the longest of those complete at once."""
    for n in range(len(text) + 1):
        ended = [stop for stop in stops if stop and text[:n].endswith(stop)]
        if ended:
            return text[: n - max(map(len, ended))], max(ended, key=len)
    return text, ""


@given(
    st.binary(max_size=24) | st.text("abé🙂", max_size=24).map(str.encode),
    st.lists(st.integers(0, 24)),
    st.lists(st.text("abé🙂", max_size=4), max_size=4).map(tuple),
)
def test_cuts_do_not_matter(data: bytes, cuts: list[int], stops: tuple[str, ...]) -> None:
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [data[a:b] for a, b in pairwise(places)]
    pieces, word = stream(chunks, stops)
    assert ("".join(pieces), word) == naive(data.decode("utf-8", "replace"), stops)


def test_text_is_shown_as_soon_as_it_is_certain() -> None:
    assert stream([b"a", b"\xf0\x9f", b"\x99\x82b", b"\xff"], ()) == (["a", "", "🙂b", "\ufffd", ""], "")
    assert stream([b"one", b" st", b"op", b"!"], ("stop",)) == (["one", " ", ""], "stop")
    assert stream([b"one", b" st", b"x"], ("stop",)) == (["one", " ", "stx", ""], "")
    assert stream([b"stst", b"o"], ("stop",)) == (["st", "", "sto"], "")
    assert stream([b"ab\xc3"], ("b\ufffd",)) == (["a", ""], "")


def test_overlapping_stops() -> None:
    assert stream([b"xabcd"], ("abcd", "bc")) == (["xa"], "bc")
    assert stream([b"xabc"], ("bc", "abc")) == (["x"], "abc")
    assert stream([b"xab", b"abc"], ("ababd", "abc")) == (["x", "ab"], "abc")


def test_nothing_follows_a_stop() -> None:
    text_stream = TextStream(VOCABULARY, ("b",))
    assert text_stream.feed(ord("a")) == TextDelta("a")
    assert text_stream.feed(ord("b")) == TextDelta("", stopped=True, stopping_word="b")
    assert text_stream.feed(ord("c")) == TextDelta("", stopped=True, stopping_word="b")
    assert text_stream.flush() == ""


def test_control_tokens_are_no_text() -> None:
    shown = TextStream(VOCABULARY, shown={START, END})
    hidden = TextStream(VOCABULARY)
    assert [shown.feed(token).text for token in (START, ord("a"), END)] == ["<|im_start|>", "a", "<|im_end|>"]
    assert [hidden.feed(token).text for token in (START, ord("a"), END)] == ["", "a", ""]


def test_a_control_token_amid_a_character() -> None:
    text_stream = TextStream(VOCABULARY)
    deltas = [text_stream.feed(token).text for token in (0xC3, END, 0xA9)]
    assert deltas == ["", "", "é"]
