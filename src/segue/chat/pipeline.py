"""Leads a chat from messages to tokens, and its replies into memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from segue.chat.breakpoints import Wish, with_breakpoints
from segue.chat.continuation import is_begun, render_begun, thinks
from segue.chat.memory.conversation_clock import ConversationClock
from segue.chat.memory.reply_memory import ReplyContext, ReplyMemory
from segue.chat.memory.stored_reply import StoredReply
from segue.chat.memory.tool_order import ToolOrder
from segue.chat.rendered_prompt import RenderedPrompt
from segue.chat.reply.family import Family
from segue.chat.reply.reply_format import ReplyFormat, reply_format_after
from segue.chat.template.clock import times_at
from segue.chat.template.template import ChatTemplate
from segue.chat.tokens.tokenizer import EncodedPrompt, PromptTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatInput:
    """A chat as its client sends it, in OpenAI's form.

    `namespace` is the one in which it is remembered. `variables` reach the template beside messages and tools.
    Unless `can_continue`, a last message of the assistant is complete. Unless `may_call`, the reply calls no tool,
    although the template shows them. Unless `parses_reasoning`, reasoning stays in the reply's text.
    """

    namespace: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[dict[str, Any]] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    can_continue: bool = True
    add_generation_prompt: bool = True
    may_call: bool = True
    parses_reasoning: bool = True
    wishes: Sequence[Wish] = ()


@dataclass(frozen=True, slots=True)
class EncodedChat:
    """A chat as the model reads it, and the format of the replies to it.

    `full_format` parses reasoning even if the client wants it in the text. `context` is what `remember` needs to know
    of the chat; None where replies are not remembered.
    """

    prompt: EncodedPrompt
    reply_format: ReplyFormat
    full_format: ReplyFormat
    context: ReplyContext | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatPipeline:
    """From messages to tokens. Any thread; slow on long chats.

    Without `replies`, replies that come back are read in the words in which they come. Without `tool_order`, tools keep
    the order in which they come. Without `clock`, a template that asks for the time is told the present.
    """

    template: ChatTemplate
    tokenizer: PromptTokenizer
    family: Family
    replies: ReplyMemory | None = None
    tool_order: ToolOrder | None = None
    clock: ConversationClock | None = None

    def encode(self, chat: ChatInput) -> EncodedChat:
        """The tokens of a chat, with marks where a checkpoint is likely to pay. Raises TemplateError."""
        tools = self._ordered_tools(chat)
        callable_tools = tools if chat.may_call else ()
        messages, stored = self._recall(chat)
        rendered = self._render(replace(chat, messages=messages, tools=tools))
        rendered = with_breakpoints(rendered, chat.wishes)
        if self.replies is not None:
            rendered = self.replies.restore(rendered, callable_tools, stored)
        prompt = self.tokenizer.encode(rendered, chat.namespace)
        full_format = reply_format_after(self.family, rendered, callable_tools)
        reply_format = full_format if chat.parses_reasoning else full_format.without_reasoning()
        context = None
        if self.replies is not None:
            context = self.replies.context(chat.namespace, chat.messages, callable_tools, rendered, prompt.tokens)
        return EncodedChat(prompt, reply_format, full_format, context)

    def render(self, chat: ChatInput) -> RenderedPrompt:
        """The text that the template makes of a chat, replies in the words in which they come. Raises TemplateError."""
        return self._render(replace(chat, tools=self._ordered_tools(chat)))

    def remember(
        self, context: ReplyContext, text: str, tokens: Sequence[int], *, is_whole: bool, may_be_cut: bool
    ) -> None:
        """Remember a reply as the model wrote it, with its tokens but for the one that ended it.

        `is_whole`: all of it may come back. `may_be_cut`: a beginning of it may come back.
        """
        if self.replies is None:
            return
        if is_whole:
            self.replies.store(context, text, tokens)
        if may_be_cut and tokens:
            self.replies.store_interrupted(context, text, tokens)

    def _ordered_tools(self, chat: ChatInput) -> Sequence[dict[str, Any]]:
        """The tools of a chat, in the order in which its namespace first sent them."""
        if not chat.tools or self.tool_order is None:
            return chat.tools
        return self.tool_order.first(chat.namespace, chat.tools)

    def _recall(self, chat: ChatInput) -> tuple[Sequence[Mapping[str, Any]], Mapping[int, StoredReply]]:
        """The messages with the reasoning that is known of them, and the stored replies that some of them are."""
        return (chat.messages, {}) if self.replies is None else self.replies.recall(chat.namespace, chat.messages)

    def _render(self, chat: ChatInput) -> RenderedPrompt:
        can_think = thinks(self.template, self.family)
        variables = {"enable_thinking": can_think, **chat.variables}
        if self.clock is not None and self.template.tells_time:
            variables = {**times_at(self.clock.of(chat.namespace, chat.messages)), **variables}
        messages, tools, adds_prompt = chat.messages, chat.tools or None, chat.add_generation_prompt
        if chat.can_continue and messages[-1]["role"] == "assistant" and not messages[-1].get("tool_calls"):
            if is_begun(messages[-1], can_think=can_think):
                return render_begun(self.template, self.family, messages, tools, variables)
            messages, adds_prompt = messages[:-1] or [{"role": "user", "content": ""}], True
        return self.template.render(messages, tools=tools, add_generation_prompt=adds_prompt, **variables)
