"""Prompts to tokens: the same as in one go, each text only once, and marks where they belong."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import hypothesis.strategies as st
import llama_cpp
import numpy as np
import pytest
from hypothesis import given

from segue.chat.rendered_prompt import RenderedPrompt
from segue.chat.tokens.tokenizer import _N_BLOCK_CHARS, PromptTokenizer
from segue.chat.vocabulary import Tokens, TokenVocabulary
from segue.engine import libllama
from segue.engine.vocabulary import Vocabulary as LlamaVocabulary
from segue.policy.prompt_marks import Breakpoint
from tests.chat.tokens.partition_vocabulary import PartitionVocabulary
from tests.kit.models import gemma3_270m_path, model_path

CONTROL = ("<s>", "<e>", "<|a|>", "<|ab|>", "|>x")
USER_DEFINED = ("<t>", "\n\n\n", "\n\n", "    ", "<|", "t>b")
PARTS = [*CONTROL, *USER_DEFINED, "\n", " ", " the", "a", "b", "<", "|", ">", "é", "日本", "🙂", "\ud800"]
texts = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)


def whole(vocabulary: TokenVocabulary, text: str) -> list[int]:
    """What llama-server makes of a text in one go."""
    text = text.removeprefix(vocabulary.text(vocabulary.bos)) if vocabulary.add_bos else text
    tokens: list[int] = vocabulary.tokenize(text, add_special=True, parse_special=True).tolist()
    return tokens


@pytest.mark.parametrize("adds_space", [False, True])
@pytest.mark.parametrize("trims", [False, True])
@pytest.mark.parametrize("add_bos", [False, True])
@pytest.mark.parametrize("n_block_chars", [1 << 14, 1])
def test_tokens_are_those_of_the_whole_text(
    adds_space: bool, trims: bool, add_bos: bool, n_block_chars: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.chat.tokens.tokenizer._N_BLOCK_CHARS", n_block_chars)
    vocabulary = PartitionVocabulary(CONTROL, USER_DEFINED, adds_space=adds_space, trims=trims, add_bos=add_bos)
    tokenizer = PromptTokenizer(vocabulary)

    @given(texts)
    def check(text: str) -> None:
        shown = text.replace("\ud800", "\ufffd")
        assert tokenizer.encode(text)[0].tolist() == whole(vocabulary, shown)

    check()


@pytest.mark.parametrize("adds_space", [False, True])
@pytest.mark.parametrize("trims", [False, True])
@pytest.mark.parametrize("n_block_chars", [1 << 14, 1])
def test_plain_tokens_are_those_of_the_vocabulary(
    adds_space: bool, trims: bool, n_block_chars: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.chat.tokens.tokenizer._N_BLOCK_CHARS", n_block_chars)
    vocabulary = PartitionVocabulary(CONTROL, USER_DEFINED, adds_space=adds_space, trims=trims, add_bos=True)
    tokenizer = PromptTokenizer(vocabulary)

    @given(texts, st.booleans(), st.booleans())
    def check(text: str, add_special: bool, parse_special: bool) -> None:
        text = text.replace("\ud800", "?")
        expected = vocabulary.tokenize(text, add_special=add_special, parse_special=parse_special)
        tokens = tokenizer.plain(text, add_special=add_special, parse_special=parse_special)
        assert tokens.tolist() == expected.tolist()

    check()


@given(texts, st.lists(st.integers(0, 40)))
def test_marks_are_rounded_down_to_tokens(text: str, offsets: list[int]) -> None:
    vocabulary = PartitionVocabulary(CONTROL, USER_DEFINED)
    ends = tuple(sorted({min(offset, len(text)) for offset in offsets}))
    tokens, marks = PromptTokenizer(vocabulary).encode(RenderedPrompt(text=text, message_ends=ends, volatile=ends))
    n_chars = [0]
    data = b""
    for token in tokens.tolist():
        data += vocabulary.piece(token)
        n_chars.append(len(data.decode("utf-8", "ignore")))
    expected = {max(n for n, chars in enumerate(n_chars) if chars <= end) for end in ends}
    found = marks.message_ends
    assert marks.volatile == found
    assert all(a < b for a, b in pairwise(found))
    assert all(0 < n <= len(tokens) for n in found)
    # bytes of an unfinished character decode to nothing, so a count of characters may fit several tokens
    assert {n_chars[n] for n in found} == {n_chars[n] for n in expected} - {0}


def test_marks_beside_special_tokens_are_exact() -> None:
    vocabulary = PartitionVocabulary(("<s>", "<e>"), adds_space=True, add_bos=True)
    text = "<s>one<e>two the<e>"
    ends = (*(text.index(word) for word in ("<e>", "two", "the", "o the")), len(text))
    breakpoints = (Breakpoint(0, 9.0), Breakpoint(6, 60.0), Breakpoint(5, 30.0))
    rendered = RenderedPrompt(text=text, message_ends=ends, n_stable=2, breakpoints=breakpoints)
    _, marks = PromptTokenizer(vocabulary).encode(rendered)
    assert marks.message_ends == (5, 6, 9, 10, 12)
    assert marks.n_stable == 2
    assert marks.breakpoints == (Breakpoint(1, 9.0), Breakpoint(4, 30.0), Breakpoint(5, 60.0))


def test_trimmed_white_space_leaves_marks_in_place() -> None:
    vocabulary = PartitionVocabulary(("<s>", "<e>"), trims=True)
    text = "ab<e>\n\n cd<e>\n"
    tokens, marks = PromptTokenizer(vocabulary).encode(
        RenderedPrompt(text=text, message_ends=(2, 5, 7, 10, len(text)), volatile=(9,))
    )
    assert len(tokens) == 5
    assert marks.message_ends == (1, 2, 4, 5)
    assert marks.volatile == (2,)


def test_marks_that_fall_together_count_once() -> None:
    vocabulary = PartitionVocabulary(("<s>",))
    rendered = RenderedPrompt(text=" the<s>x", message_ends=(1, 2, 4, 7), n_stable=3)
    marks = PromptTokenizer(vocabulary).encode(rendered)[1]
    assert marks.message_ends == (1, 2)
    assert marks.n_stable == 1


def test_bos_stands_once() -> None:
    vocabulary = PartitionVocabulary(("<s>", "<e>"), add_bos=True)
    tokenizer = PromptTokenizer(vocabulary)
    assert tokenizer.encode("<s>a")[0].tolist() == tokenizer.encode("a")[0].tolist() == [vocabulary.bos, ord("a")]
    assert tokenizer.encode("")[0].tolist() == [vocabulary.bos]
    _, marks = tokenizer.encode(RenderedPrompt(text="<s>a<e>", message_ends=(3, 4)))
    assert marks.message_ends == (1, 2)
    without = PartitionVocabulary(("<s>", "<e>"))
    assert PromptTokenizer(without).encode("<s>a")[0].tolist() == [without.bos, ord("a")]
    assert PromptTokenizer(PartitionVocabulary()).encode("")[0].tolist() == []


def test_tokens_are_read_only() -> None:
    for trims in (False, True):
        tokens, _ = PromptTokenizer(PartitionVocabulary(("<s>",), trims=trims)).encode("a<s>")
        assert tokens.dtype == np.int32
        assert not tokens.flags.writeable


def test_each_text_is_tokenised_once() -> None:
    vocabulary = PartitionVocabulary(("<s>", "<e>"))
    tokenizer = PromptTokenizer(vocabulary)
    history = "".join(f"<s>user message {i}<e>" for i in range(20))
    tokenizer.encode(history)
    seen = vocabulary.n_seen
    tokenizer.encode(history + "<s>new<e>")
    assert vocabulary.n_seen == seen + len("new")
    tokenizer.encode(history, namespace="another key")
    assert vocabulary.n_seen > seen + len(history) / 2


def test_memory_is_bounded() -> None:
    vocabulary = PartitionVocabulary(("<s>",))
    tokenizer = PromptTokenizer(vocabulary, n_bytes=2000)
    for text in ("x" * 100, "y" * 100, "z" * 10_000, "x" * 100):
        assert tokenizer.encode(text)[0].tolist() == [*text.encode()]
    assert vocabulary.n_seen == 10_300


@contextmanager
def loaded(path: Path) -> Iterator[LlamaVocabulary]:
    """The vocabulary of a model's file, without its weights."""
    libllama.start()
    params = llama_cpp.llama_model_default_params()
    params.vocab_only = True
    model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
    yield LlamaVocabulary(llama_cpp.llama_model_get_vocab(model))
    llama_cpp.llama_model_free(model)


@pytest.fixture(scope="module")
def bytewise() -> Iterator[LlamaVocabulary]:
    with loaded(model_path("qwen35")) as vocabulary:
        yield vocabulary


@pytest.fixture(scope="module")
def gemma() -> Iterator[LlamaVocabulary]:
    with loaded(gemma3_270m_path()) as vocabulary:
        yield vocabulary


@pytest.mark.parametrize("n_block_chars", [1 << 14, 2])
@pytest.mark.parametrize("name", ["bytewise", "gemma"])
def test_real_vocabularies(
    name: str, n_block_chars: int, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.chat.tokens.tokenizer._N_BLOCK_CHARS", n_block_chars)
    vocabulary: LlamaVocabulary = request.getfixturevalue(name)
    tokenizer = PromptTokenizer(vocabulary)
    specials = sorted(vocabulary.special_pieces())
    begun = [special[:n] for special in specials[:: len(specials) // 40 + 1] for n in (1, 2, 5)]
    words = [
        "\n",
        "\n\n",
        "\n\n\n\n\n",
        "  ",
        "\t",
        " the",
        "def f(x):\n    return x",
        "é",
        "日本",
        "🙂",
        "'s",
        "1234",
        "<",
    ]
    parts = st.one_of(st.sampled_from(words), st.sampled_from(specials), st.sampled_from(begun), st.text(max_size=4))

    @given(st.lists(parts, max_size=12).map("".join))
    def check(text: str) -> None:
        assert tokenizer.encode(text)[0].tolist() == whole(vocabulary, text)
        expected = vocabulary.tokenize(text, add_special=True, parse_special=True)
        assert tokenizer.plain(text, add_special=True, parse_special=True).tolist() == expected.tolist()

    check()


class Counted:
    """A vocabulary that notes how many characters it is given at a time: libllama's time grows with their square."""

    def __init__(self, vocabulary: LlamaVocabulary) -> None:
        self._vocabulary = vocabulary
        self.n_chars: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vocabulary, name)

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        self.n_chars.append(len(text))
        return self._vocabulary.tokenize(text, add_special=add_special, parse_special=parse_special)


def assert_small(vocabulary: Counted, text: str) -> None:
    """No piece is large, and nothing is tokenized more than twice."""
    assert max(vocabulary.n_chars) < 3 * _N_BLOCK_CHARS
    assert sum(vocabulary.n_chars) <= 2 * len(text)


def test_many_special_tokens_are_taken_in_small_pieces(bytewise: LlamaVocabulary) -> None:
    """libllama takes 10 s of CPU time for so many at once."""
    vocabulary, text = Counted(bytewise), "a<|im_start|>" * 100_000
    tokens = PromptTokenizer(cast(Any, vocabulary)).plain(text, add_special=True, parse_special=True)
    assert_small(vocabulary, text)
    few = bytewise.tokenize(text[:1300], add_special=True, parse_special=True)
    assert (len(tokens), tokens[: len(few)].tolist()) == (200_000, few.tolist())


def test_many_lines_are_taken_in_small_pieces(gemma: LlamaVocabulary) -> None:
    """libllama takes 15 s of CPU time for so many: in Gemma's vocabulary each line end is a token of its own kind."""
    vocabulary, line = Counted(gemma), "    value = compute(argument, other)  # a comment\n"
    tokenizer, text = PromptTokenizer(cast(Any, vocabulary)), line * 20_000
    tokens, _ = tokenizer.encode(text)
    assert_small(vocabulary, text)
    vocabulary.n_chars.clear()
    assert tokens[1:].tolist() == tokenizer.plain(text, add_special=False, parse_special=False).tolist()
    assert_small(vocabulary, text)
    few, _ = tokenizer.encode(line * 100)
    assert tokens.tolist() == [*few[:1].tolist(), *few[1:].tolist() * 200]
