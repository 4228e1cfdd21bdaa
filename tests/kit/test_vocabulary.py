"""The tiny vocabulary as libllama reads it, and the chat template."""

import ctypes
from collections.abc import Iterator

import jinja2
import llama_cpp
import pytest

from segue.demo import vocabulary
from segue.demo.vocabulary import CHAT_TEMPLATE, END_THINK, IM_END, IM_START, N_VOCAB, THINK
from tests.kit.models import model_path
from tests.kit.reader import Reader

SYSTEM = {"role": "system", "content": "Be brief."}
QUESTION = {"role": "user", "content": "2+2?"}
THOUGHT = {"role": "assistant", "content": "<think>\nEasy.\n</think>\n\n4"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"x": 2}}}],
}
RESULT = {"role": "tool", "content": "4"}


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(model_path("llama")) as reader:
        yield reader


def tokens(reader: Reader, text: str, *, parse_special: bool = True) -> list[int]:
    data = text.encode()
    found = (llama_cpp.llama_token * (len(data) + 1))()
    n_tokens = llama_cpp.llama_tokenize(reader.vocab, data, len(data), found, len(found), True, parse_special)
    return list(found)[:n_tokens]


def shown(reader: Reader, ids: list[int]) -> bytes:
    """What a reply's reader sees of these tokens."""
    buffer = ctypes.create_string_buffer(64)
    text = b""
    for token in ids:
        n_bytes = llama_cpp.llama_token_to_piece(reader.vocab, token, buffer, len(buffer), 0, False)
        text += buffer.raw[:n_bytes]
    return text


def render(*messages: object, **options: object) -> str:
    return str(jinja2.Template(CHAT_TEMPLATE).render(messages=messages, **options))


def test_bytes_are_their_own_ids(reader: Reader) -> None:
    text = "Größe ☃ \x00!\n"
    assert tokens(reader, text) == [*text.encode()]
    assert shown(reader, tokens(reader, text)) == text.encode()


def test_merges_span_likely_cuts(reader: Reader) -> None:
    assert len(tokens(reader, "a the")) == 2
    assert len(tokens(reader, "a\n\nb")) == 3
    assert len(tokens(reader, "a\n")) + len(tokens(reader, "\nb")) == 4


def test_special_tokens(reader: Reader) -> None:
    assert reader.n_vocab == N_VOCAB
    assert tokens(reader, "<|im_start|>a<|im_end|>") == [IM_START, ord("a"), IM_END]
    assert IM_START not in tokens(reader, "<|im_start|>", parse_special=False)
    assert llama_cpp.llama_vocab_is_eog(reader.vocab, IM_END)
    assert not llama_cpp.llama_vocab_is_eog(reader.vocab, IM_START)
    assert llama_cpp.llama_vocab_eos(reader.vocab) == llama_cpp.llama_vocab_eot(reader.vocab) == IM_END
    assert llama_cpp.llama_vocab_pad(reader.vocab) == vocabulary.PAD
    assert not llama_cpp.llama_vocab_get_add_bos(reader.vocab)


def test_reader_of_a_reply_sees_thinking_but_no_turn_marks(reader: Reader) -> None:
    assert shown(reader, [THINK, ord("a"), END_THINK, IM_END]) == b"<think>a</think>"


def test_template_is_in_the_file(reader: Reader) -> None:
    assert llama_cpp.llama_model_chat_template(reader.model, None).decode() == CHAT_TEMPLATE


def test_template_writes_turns() -> None:
    text = render(SYSTEM, QUESTION, add_generation_prompt=True)
    assert text == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n"
    )
    parts = {"role": "user", "content": [{"type": "text", "text": "2+"}, {"type": "text", "text": "2?"}]}
    assert render(SYSTEM, parts, add_generation_prompt=True) == text


def test_generation_prompt_thinks_only_where_asked() -> None:
    assert render(QUESTION, add_generation_prompt=True).endswith("<|im_start|>assistant\n")
    assert render(QUESTION, add_generation_prompt=True, enable_thinking=True).endswith("assistant\n<think>\n")
    assert render(QUESTION, add_generation_prompt=True, enable_thinking=False).endswith("<think>\n\n</think>\n\n")


@pytest.mark.parametrize("thought", [THOUGHT, {"role": "assistant", "content": "4", "reasoning_content": "Easy."}])
@pytest.mark.parametrize("start", [[], [SYSTEM]])
def test_reasoning_is_stripped_before_the_last_user_message(thought: object, start: list[object]) -> None:
    assert "<|im_start|>assistant\n<think>\nEasy.\n</think>\n\n4<|im_end|>\n" in render(*start, QUESTION, thought)
    assert "<|im_start|>assistant\n4<|im_end|>\n" in render(*start, QUESTION, thought, QUESTION)
    assert "Easy." in render(*start, QUESTION, thought, RESULT)


def test_template_writes_tools_calls_and_results() -> None:
    tool = {"type": "function", "function": {"name": "add"}}
    text = render(QUESTION, CALL, RESULT, RESULT, tools=[tool])
    assert text.startswith("<|im_start|>system\n# Tools")
    assert '<tools>\n{"function": {"name": "add"}, "type": "function"}\n</tools><|im_end|>\n' in text
    call = '<tool_call>\n{"name": "add", "arguments": {"x": 2}}\n</tool_call>'
    assert f"<|im_start|>assistant\n{call}<|im_end|>\n" in text
    result = "\n<tool_response>\n4\n</tool_response>"
    assert text.endswith(f"<|im_start|>user{result}{result}<|im_end|>\n")
