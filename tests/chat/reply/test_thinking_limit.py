"""Reasoning ends after exactly as many tokens as its budget allows, in every family that marks it."""

from collections.abc import Iterable, Iterator

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from segue.chat.rendered_prompt import RenderedPrompt
from segue.chat.reply.reply_format import reply_format_after, shown_tokens
from segue.chat.reply.thinking_limit import ThinkingBudget, ThinkingSwitch
from segue.chat.reply.whole import Whole, parts_whole
from segue.chat.vocabulary import Tokens
from tests.chat.reply.kit import BY_NAME, tool
from tests.kit.byte_vocabulary import ByteVocabulary

N_BYTES = 260
TOOLS = [tool("f", a={"type": "string"})]


class TaggedVocabulary(ByteVocabulary):
    """Bytes, and a token for each of the tags."""

    def __init__(self, *tags: str) -> None:
        self.tags = tags
        self.n_tokens = N_BYTES + len(tags)

    def special_pieces(self) -> dict[str, int]:
        return {**super().special_pieces(), **{tag: N_BYTES + i for i, tag in enumerate(self.tags)}}

    def tokenize(self, text: str, *, add_special: bool, parse_special: bool) -> Tokens:
        for i, tag in enumerate(self.tags) if parse_special else ():
            before, found, behind = text.partition(tag)
            if found:
                ends = [self.tokenize(end, add_special=False, parse_special=True) for end in (before, behind)]
                return np.concatenate([ends[0], [N_BYTES + i], ends[1]]).astype(np.int32)
        return super().tokenize(text, add_special=add_special, parse_special=parse_special)

    def piece(self, token: int) -> bytes:
        return self.tags[token - N_BYTES].encode() if token >= N_BYTES else super().piece(token)


THINK = TaggedVocabulary("<think>", "</think>", "<tool_call>")
HARMONY = TaggedVocabulary("<|start|>", "<|channel|>", "<|message|>", "<|end|>")
ANALYSIS = "<|channel|>analysis<|message|>"


class Written:
    """A reply of the tokens of `text` as far as nothing is forced between them; `is_forced` tells which are."""

    def __init__(
        self,
        vocabulary: ByteVocabulary,
        family: str,
        text: str | Iterable[int],
        n_tokens: int,
        *,
        prompt: str = "<think>\n",
        message: str = "",
        off_after: int = -1,
    ) -> None:
        reply_format = reply_format_after(BY_NAME[family], RenderedPrompt(text=prompt), TOOLS)
        shown = shown_tokens(BY_NAME[family], vocabulary)
        switch = ThinkingSwitch()
        budget = ThinkingBudget(
            vocabulary=vocabulary,
            reply_format=reply_format,
            shown=shown,
            n_tokens=n_tokens,
            message=message,
            switch=switch,
        )
        limit = budget.limit()
        self.tokens: list[int] = []
        self.is_forced: list[bool] = []
        drawn: Iterator[int] = iter(
            vocabulary.tokenize(text, add_special=False, parse_special=True).tolist() if isinstance(text, str) else text
        )
        while True:
            if len(self.tokens) == off_after:
                switch.turn_off()
            forced = limit.forced()
            token = next(drawn, None) if forced is None else forced
            if token is None:
                break
            self.tokens.append(token)
            self.is_forced.append(forced is not None)
            limit.accept(token)
            assert len(self.tokens) < 2000, "something is forced for ever"
        self.text = b"".join(map(vocabulary.piece, self.tokens)).decode("utf-8", "replace")
        parser = reply_format.parser()
        self.whole: Whole = parts_whole(parser.feed(self.text) + parser.finish())

    @property
    def n_before(self) -> int:
        """The tokens before the first that is forced; -1 if none is."""
        return self.is_forced.index(True) if True in self.is_forced else -1

    @property
    def forced(self) -> int:
        return sum(self.is_forced)


@pytest.mark.parametrize("n_tokens", [0, 1, 2, 7])
@pytest.mark.parametrize("message", ["", " Enough.\n"])
def test_reasoning_that_the_prompt_opened(n_tokens: int, message: str) -> None:
    written = Written(THINK, "Hermes", "abcdefghijk", n_tokens, message=message)
    assert written.text == "abcdefghijk"[:n_tokens] + message + "</think>" + "abcdefghijk"[n_tokens:]
    assert written.n_before == n_tokens
    assert written.forced == len(message) + 1


@pytest.mark.parametrize("n_tokens", [0, 1, 5])
def test_reasoning_that_the_reply_opens(n_tokens: int) -> None:
    written = Written(THINK, "Hermes", "\n<think>abcdefg", n_tokens, prompt="assistant\n")
    assert written.text == "\n<think>" + "abcdefg"[:n_tokens] + "</think>" + "abcdefg"[n_tokens:]
    assert Written(THINK, "Hermes", "abcdefg", n_tokens, prompt="assistant\n").forced == 0, "it does not reason"


@pytest.mark.parametrize("n_before", [0, 1, 5])
def test_reasoning_that_is_switched_off(n_before: int) -> None:
    written = Written(THINK, "Hermes", "abcdefghijk", -1, message="!", off_after=n_before)
    assert written.text == "abcdefghijk"[:n_before] + "!</think>" + "abcdefghijk"[n_before:]
    assert Written(THINK, "Hermes", "abcdefghijk", -1).forced == 0
    later = Written(THINK, "Hermes", "<think>abc", -1, prompt="assistant\n", off_after=0)
    assert later.text == "<think></think>abc"
    over = Written(THINK, "Hermes", "ab</think>cd", -1, off_after=len("ab") + 3)
    assert over.text == "ab</think>cd"
    harmony = Written(HARMONY, "gpt-oss", ANALYSIS + "abcdef", -1, prompt="<|start|>assistant", off_after=14)
    assert harmony.text.count("<|end|>") == 1
    assert harmony.n_before == 14


@pytest.mark.parametrize("n_tokens", [0, 3])
def test_channels(n_tokens: int) -> None:
    said = ANALYSIS + "abcdef"
    written = Written(HARMONY, "gpt-oss", said, n_tokens, prompt="<|start|>assistant", message="!")
    assert written.text == ANALYSIS + "abcdef"[:n_tokens] + "!<|end|>" + "abcdef"[n_tokens:]
    again = "<|start|>assistant" + ANALYSIS
    written = Written(HARMONY, "gpt-oss", ANALYSIS + "ab<|end|>" + again + "cdef", 3, prompt="<|start|>assistant")
    assert written.text == ANALYSIS + "ab<|end|>" + again + "c<|end|>def", "a reply has one budget"
    final = "<|channel|>final<|message|>" + "a" * 20
    assert Written(HARMONY, "gpt-oss", final, n_tokens, prompt="<|start|>assistant").forced == 0


@pytest.mark.parametrize(
    ("family", "prompt", "end"),
    [
        ("Seed-OSS", "<seed:think>", "</seed:think>"),
        ("Mistral", "[THINK]", "[/THINK]"),
        ("Mistral", "<think>\n", "</think>"),
        ("Command R", "<|START_THINKING|>", "<|END_THINKING|>"),
        ("Gemma 4", "<|channel>thought\n", "<channel|>"),
        ("Kimi K3", "<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ],
)
def test_each_family_ends_it_with_its_own_tag(family: str, prompt: str, end: str) -> None:
    assert Written(ByteVocabulary(), family, "abcdef", 3, prompt=prompt).text == f"abc{end}def"
    opened = Written(ByteVocabulary(), family, prompt.strip() + "abcdef", 3, prompt="")
    assert opened.text == f"{prompt.strip()}abc{end}def"


def test_an_end_in_time_is_left_alone() -> None:
    for vocabulary in (THINK, ByteVocabulary()):
        written = Written(vocabulary, "Hermes", "abc</think>defghi", 3 + 8)
        assert (written.text, written.forced) == ("abc</think>defghi", 0)
    assert Written(THINK, "Hermes", "abc</think>defghi", 3).text == "abc</think></think>defghi"[:3] + "</think>" + (
        "</think>defghi"
    )


def test_a_tag_of_several_tokens_that_has_begun_is_completed() -> None:
    for n_tokens in range(4, 11):
        written = Written(ByteVocabulary(), "Hermes", "abc</think>defghi", n_tokens, message="!")
        begun = "abc</think>"[:n_tokens]
        assert written.text.startswith("abc</think>")
        assert written.n_before == len(begun)
        assert written.whole.reasoning == "abc"
    # A tag that is one token is not what its letters are.
    assert Written(THINK, "Hermes", "abc<def", 4).tokens[4] == THINK.special_pieces()["</think>"]


def test_a_reply_that_reasons_again_gets_no_more() -> None:
    written = Written(THINK, "Hermes", "abcd\n<think>efg", 2, message="!")
    assert written.text == "ab!</think>cd\n<think>efg"
    written = Written(THINK, "Hermes", "ab</think>\n<think>efg", 2, message="!")
    assert written.text == "ab!</think></think>\n<think>efg"
    written = Written(THINK, "Hermes", "ab\n</think>\n<think>cdefg", 5, message="!")
    assert written.text == "ab\n</think>\n<think>cd!</think>efg"


def test_a_quoted_tag_is_no_end() -> None:
    written = Written(THINK, "Hermes", "a `</think>` b and so on", 10)
    assert written.whole.reasoning == "a `</think>` b and"[: len("a `</think>` b an")]
    assert written.n_before == 10
    # A message that opens a quote does not keep the reasoning open.
    written = Written(THINK, "Hermes", "abcdef", 3, message=" `")
    assert written.text == "abc `</think>def"
    assert written.whole == Whole("def", "abc `", ())
    written = Written(THINK, "Hermes", "abc`def", 3, message=" `")
    assert written.text == "abc `</think>`</think>def"


@pytest.mark.parametrize("n_tokens", [5, 6, 7, 9])
def test_an_end_that_might_be_quoted_is_not_said_twice(n_tokens: int) -> None:
    written = Written(THINK, "Hermes", 'a "b</think>cdef', n_tokens)
    assert (written.text, written.forced) == ('a "b</think>cdef', 0)
    assert written.whole == Whole("cdef", 'a "b', ())


def test_an_end_that_might_have_been_one_counts_once_it_is_quoted() -> None:
    assert Written(THINK, "Hermes", "a `</think>`bcdef", 4).text == "a `</think>`</think>bcdef"
    assert Written(THINK, "Hermes", "a `</think>`bcdef", 6).text == "a `</think>`b</think>cdef"
    # Nor does the tag count where the reply reasons again.
    again = Written(THINK, "Hermes", 'a "b</think>\n<think>cdef', 6)
    assert again.text == 'a "b</think>\n<think>cd</think>ef'


def test_calls_inside_the_reasoning_are_not_broken() -> None:
    call = "<tool_call>\n<function=f>\n<parameter=a>\nx\n</parameter>\n</function>\n</tool_call>"
    for n_tokens in range(3, 12):
        written = Written(THINK, "Qwen XML", "abc" + call + "defghij", n_tokens)
        assert written.whole.calls == (("f", '{"a": "x"}'),)
        assert written.text.replace("</think>", "", 1) == "abc" + call + "defghij"
        assert written.forced == 1
    assert Written(THINK, "Qwen XML", "abc <tool_call> is a tag", 4).n_before == 4


def test_bytes_of_a_character_count_one_by_one() -> None:
    tokens = list("aé…".encode())
    for n_tokens in range(len(tokens)):
        assert Written(THINK, "Hermes", tokens, n_tokens).n_before == n_tokens


PIECES = ["a", "b", " ", "\n", "`", '"', "<", "</", "think>", "</think>", "<think>", "<tool_call>", "é", "{", "}", ">"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)


@given(
    st.sampled_from(["Hermes", "Qwen XML", "Gemma 4", "gpt-oss", "Mistral"]),
    TEXTS,
    st.integers(0, 12),
    st.sampled_from(["", "!", "`", " so.\n"]),
    st.sampled_from([THINK, ByteVocabulary()]),
)
def test_whatever_is_written_stays(
    family: str, text: str, n_tokens: int, message: str, vocabulary: ByteVocabulary
) -> None:
    written = Written(vocabulary, family, text, n_tokens, message=message)
    drawn = [t for t, is_forced in zip(written.tokens, written.is_forced, strict=True) if not is_forced]
    assert drawn == vocabulary.tokenize(text, add_special=False, parse_special=True).tolist()
    assert 0 <= n_tokens <= written.n_before or written.forced == 0


def n_reasoned(written: Written) -> int:
    """The tokens that were drawn inside the reasoning, by a reading that knows no quotes and no calls."""
    opening, end = (THINK.special_pieces()[tag] for tag in ("<think>", "</think>"))
    n, is_reasoning, is_fresh = 0, True, False
    for token, is_forced in zip(written.tokens, written.is_forced, strict=True):
        if is_reasoning:
            is_reasoning = is_fresh = token != end
            is_fresh = not is_reasoning
            n += is_reasoning and not is_forced
        elif token == opening and is_fresh:
            is_reasoning = True
        else:
            is_fresh = is_fresh and THINK.text(token).isspace()
    return n


@given(
    st.lists(st.sampled_from(["a", "b", " ", "\n", "<", "é", "</think>", "<think>"]), max_size=30).map("".join),
    st.integers(0, 12),
    st.sampled_from(["", "!", " so.\n"]),
)
def test_the_budget_is_kept_to_the_token(text: str, n_tokens: int, message: str) -> None:
    if text.startswith("<think>"):
        return  # the tag that the prompt had already
    written = Written(THINK, "Hermes", text, n_tokens, message=message)
    n = n_reasoned(written)
    assert n == n_tokens if written.forced else n <= n_tokens
