"""From messages to tokens, and from a reply into memory."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from segue.chat.breakpoints import Wish
from segue.chat.memory.conversation_clock import ConversationClock
from segue.chat.memory.reply_memory import ReplyMemory
from segue.chat.memory.side_store import SideStore
from segue.chat.memory.tool_order import ToolOrder
from segue.chat.pipeline import ChatInput, ChatPipeline, EncodedChat
from segue.chat.reply.families import find_family
from segue.chat.template.template import ChatTemplate
from segue.chat.tokens.tokenizer import PromptTokenizer
from tests.kit.byte_vocabulary import ByteVocabulary

TEMPLATE = """\
{%- if tools -%}
  <|im_start|>tools {% for tool in tools -%}{{ tool.function.name }} {% endfor -%}<|im_end|>
{%- endif -%}
{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' -}}
  {%- if message.reasoning_content -%}
    {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' -}}
  {%- endif -%}
  {{- (message.content or '') + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""
TIMED = "{{ strftime_now('%Y') }}" + TEMPLATE
USER = {"role": "user", "content": "hello"}
REPLY = "<think>\nhm\n</think>\n\nsure"


@pytest.fixture
def side_store() -> Iterator[SideStore]:
    store = SideStore(None, 1 << 20)
    yield store
    store.close()


def make(side_store: SideStore | None = None, source: str = TEMPLATE) -> ChatPipeline:
    """A pipeline that remembers, if it is given a store."""
    vocabulary = ByteVocabulary()
    template, tokenizer, family = ChatTemplate(source, "<s>", "</s>"), PromptTokenizer(vocabulary), find_family(source)
    if side_store is None:
        return ChatPipeline(template=template, tokenizer=tokenizer, family=family)
    return ChatPipeline(
        template=template,
        tokenizer=tokenizer,
        family=family,
        replies=ReplyMemory(family, vocabulary, tokenizer, side_store),
        tool_order=ToolOrder(side_store),
        clock=ConversationClock(side_store, lambda: 0.0),
    )


def chat(*messages: dict[str, Any], namespace: str = "", **options: Any) -> ChatInput:
    return ChatInput(namespace=namespace, messages=messages, **options)


def text_of(encoded: EncodedChat) -> str:
    vocabulary = ByteVocabulary()
    return b"".join(map(vocabulary.piece, encoded.prompt.tokens.tolist())).decode()


def tools(names: Sequence[str]) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": name}} for name in names]


def remember(pipeline: ChatPipeline, encoded: EncodedChat, *, is_whole: bool = True, may_be_cut: bool = False) -> None:
    assert encoded.context is not None
    pipeline.remember(encoded.context, REPLY, list(REPLY.encode()), is_whole=is_whole, may_be_cut=may_be_cut)


def test_the_tokens_are_those_of_the_rendered_text() -> None:
    pipeline = make()
    encoded = pipeline.encode(chat(USER))
    assert text_of(encoded) == "<s>" + pipeline.render(chat(USER)).text
    assert encoded.context is None


def test_a_last_message_of_the_assistant_is_continued_unless_it_is_complete() -> None:
    begun = {"role": "assistant", "content": "so"}
    assert text_of(make().encode(chat(USER, begun))).endswith("assistant\nso")
    assert text_of(make().encode(chat(USER, begun, can_continue=False))).endswith(
        "so<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_reply_that_comes_back_gets_its_reasoning_back(side_store: SideStore) -> None:
    pipeline = make(side_store)
    remember(pipeline, pipeline.encode(chat(USER)))
    said = {"role": "assistant", "content": "sure"}
    assert REPLY in text_of(pipeline.encode(chat(USER, said, USER)))
    assert REPLY not in text_of(pipeline.encode(chat(USER, said, USER, namespace="another")))
    assert REPLY not in text_of(make().encode(chat(USER, said, USER)))


def test_a_reply_is_read_in_the_model_s_own_words(side_store: SideStore) -> None:
    pipeline = make(side_store)
    context = pipeline.encode(chat(USER)).context
    assert context is not None
    own = "<think>hm</think>sure"
    pipeline.remember(context, own, list(own.encode()), is_whole=True, may_be_cut=False)
    said = {"role": "assistant", "content": "sure"}
    assert f"assistant\n{own}<|im_end|>" in text_of(pipeline.encode(chat(USER, said, USER)))
    assert own not in pipeline.render(chat(USER, said, USER)).text


def test_a_reply_is_read_so_too_where_the_next_message_closes_it(side_store: SideStore) -> None:
    source = """\
{%- for m in messages -%}
  {{- '<|' + m.role + '|>' }}{% if m.reasoning_content %}{{ '<think>' + m.reasoning_content + '</think>' }}{% endif -%}
  {{- m.content -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}
"""
    pipeline = make(side_store, source)
    context = pipeline.encode(chat(USER)).context
    assert context is not None
    own = "<think>\nhm\n</think>\n\nsure"
    pipeline.remember(context, own, list(own.encode()), is_whole=True, may_be_cut=False)
    said = {"role": "assistant", "content": "sure"}
    assert f"<|assistant|>{own}<|user|>" in text_of(pipeline.encode(chat(USER, said, USER)))


def test_a_reply_that_goes_on_is_read_so_too(side_store: SideStore) -> None:
    pipeline = make(side_store)
    context = pipeline.encode(chat(USER)).context
    assert context is not None
    own = "<think>hm</think>sure"
    pipeline.remember(context, own, list(own.encode()), is_whole=False, may_be_cut=True)
    said = {"role": "assistant", "content": "su"}
    assert text_of(pipeline.encode(chat(USER, said))).endswith("assistant\n<think>hm</think>su")


def test_a_beginning_of_an_interrupted_reply_is_recognised(side_store: SideStore) -> None:
    pipeline = make(side_store)
    said = {"role": "assistant", "content": "su"}
    remember(pipeline, pipeline.encode(chat(USER)), is_whole=True)
    assert "hm" not in text_of(pipeline.encode(chat(USER, said, USER)))
    remember(pipeline, pipeline.encode(chat(USER)), is_whole=False, may_be_cut=True)
    assert "hm" in text_of(pipeline.encode(chat(USER, said, USER)))


def test_tools_keep_their_first_order(side_store: SideStore) -> None:
    pipeline = make(side_store)
    first = text_of(pipeline.encode(chat(USER, tools=tools("ab"))))
    again = pipeline.encode(chat(USER, tools=tools("ba")))
    assert text_of(again) == first
    assert [tool["function"]["name"] for tool in again.reply_format.tools] == ["a", "b"]
    assert pipeline.encode(chat(USER, tools=tools("ba"), may_call=False)).reply_format.tools == ()
    assert text_of(make().encode(chat(USER, tools=tools("ba")))) != first


def test_a_conversation_keeps_its_time(side_store: SideStore) -> None:
    assert "1970" in text_of(make(side_store, TIMED).encode(chat(USER)))
    assert "1970" not in text_of(make(source=TIMED).encode(chat(USER)))


def test_wishes_become_breakpoints_at_the_ends_of_messages() -> None:
    system = {"role": "system", "content": "be short"}
    marks = make().encode(chat(system, USER, wishes=[Wish(0, 300.0)])).prompt.marks
    assert [mark.end for mark in marks.breakpoints] == [marks.message_ends[0]]
