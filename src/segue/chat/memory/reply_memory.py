"""Recognises replies that clients send back, and restores the model's own words for them."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from segue.chat.content import text_of
from segue.chat.memory.digests import Messages, digests, extended, meaning
from segue.chat.memory.interrupted import part_of
from segue.chat.memory.side_store import SideStore
from segue.chat.memory.stored_reply import StoredReply, unpacked
from segue.chat.rendered_prompt import RenderedPrompt, WrittenText
from segue.chat.reply.family import Family
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.whole import Whole, parts_whole
from segue.chat.template.dialect import REASONING_FIELDS
from segue.chat.tokens.tokenizer import PromptTokenizer
from segue.chat.vocabulary import Tokens, TokenVocabulary

_KIND = "reply"
_INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class ReplyContext:
    """A conversation up to a reply that is about to be generated.

    Its prompt ends with `suffix` behind the last message, and `head` are its tokens from the last special one on.
    """

    namespace: str
    digest: bytes
    tools: Messages
    suffix: str
    head: Tokens


class ReplyMemory:
    """Remembers replies by the whole conversation before them; nothing is found across namespaces. Any thread.

    A reply that a client sends back is taken for one that was given if text and calls are the same, whatever the
    spacing and order of the arguments. Then its reasoning, which many clients leave out, goes to the template as well;
    and where the template writes the same in other words, the model's own words and tokens stand instead.
    """

    def __init__(
        self, family: Family, vocabulary: TokenVocabulary, tokenizer: PromptTokenizer, side_store: SideStore
    ) -> None:
        self._family = family
        self._vocabulary = vocabulary
        self._tokenizer = tokenizer
        self._side_store = side_store
        special = vocabulary.special_pieces()
        self._endings = tuple(piece for piece, token in special.items() if vocabulary.is_eog(token))

    def context(
        self, namespace: str, messages: Messages, tools: Messages, rendered: RenderedPrompt, tokens: Tokens
    ) -> ReplyContext:
        """The facts that `store` needs about a conversation whose prompt has these tokens."""
        n_closed = rendered.message_ends[-1] if rendered.message_ends else len(rendered.text)
        head = self._tokenizer.since_special(tokens)
        return ReplyContext(namespace, digests(namespace, messages)[-1], tools, rendered.text[n_closed:], head)

    def store(self, context: ReplyContext, text: str, tokens: Sequence[int]) -> None:
        """Store a reply as it was written, with its tokens but for one that ended it."""
        reply = self._whole(text, context.suffix, context.tools)
        calls = [{"function": {"name": name, "arguments": arguments}} for name, arguments in reply.calls]
        digest = extended(context.digest, {"role": "assistant", "content": reply.content, "tool_calls": calls})
        self._side_store.put(_KIND, digest, _stored(context, text, tokens).packed())

    def store_interrupted(self, context: ReplyContext, text: str, tokens: Sequence[int]) -> None:
        """Store a reply that a client or a stop string interrupted: how much of it comes back is not known yet."""
        self._side_store.put(_INTERRUPTED, context.digest, _stored(context, text, tokens).packed())

    def recall(self, namespace: str, messages: Messages) -> tuple[list[dict[str, Any]], dict[int, StoredReply]]:
        """The messages with the reasoning that is known of them, and the stored replies that some are, by index."""
        found: dict[int, StoredReply] = {}
        recalled = [dict(message) for message in messages]
        conversation = digests(namespace, messages)
        for i, (message, digest) in enumerate(zip(recalled, conversation, strict=True)):
            if message.get("role") != "assistant":
                continue
            stored = self._known(message, digest, conversation[i - 1] if i else None)
            if stored is None:
                continue
            found[i] = stored
            if not any(message.get(name) for name in REASONING_FIELDS):
                message["reasoning_content"] = self._whole(stored.text, stored.suffix, ()).reasoning
        return recalled, found

    def _known(self, message: Mapping[str, Any], digest: bytes, before: bytes | None) -> StoredReply | None:
        """The reply that a message is, or the part of an interrupted one, which is known as a reply from then on."""
        packed = self._side_store.get(_KIND, digest)
        if packed is not None:
            return unpacked(packed)
        packed = self._side_store.get(_INTERRUPTED, before) if before is not None else None
        content = message.get("content")
        if packed is None or message.get("tool_calls") or not isinstance(content, str | list | None):
            return None
        stored = unpacked(packed)
        part = part_of(
            stored,
            text_of(content),
            next((str(message[name]) for name in REASONING_FIELDS if message.get(name)), ""),
            whole=lambda text: self._whole(text, stored.suffix, ()),
            vocabulary=self._vocabulary,
            tokenize=partial(self._tokenizer.plain, add_special=False, parse_special=False),
        )
        if part is not None:
            self._side_store.put(_KIND, digest, part.packed())
        return part

    def restore(self, rendered: RenderedPrompt, tools: Messages, found: Mapping[int, StoredReply]) -> RenderedPrompt:
        """The prompt with the model's own words, where the template wrote the same in others."""
        ends = dict(zip(rendered.message_indices, rendered.message_ends, strict=True))
        written: list[WrittenText] = []
        shifts: list[tuple[int, int]] = []
        text, done = "", 0
        for index, stored in sorted(found.items()):
            start, end = ends.get(index - 1), ends.get(index)
            if end is None and start is not None and start == rendered.begun:
                end = len(rendered.text)  # a reply that is to be continued
            behind = self._behind(rendered.text[start:end], stored, tools) if start and end else None
            if behind is None or start is None or end is None:
                continue
            text += rendered.text[done:start] + stored.suffix + stored.text
            own = self._own_text(stored)
            if text.endswith(own):
                written.append(WrittenText(len(text) - len(own), len(text), stored.tokens))
            text += behind
            shifts.append((end, len(text) - end))
            done = end
        text += rendered.text[done:]
        return _shifted(replace(rendered, text=text, written=tuple(written)), shifts)

    def _behind(self, block: str, stored: StoredReply, tools: Messages) -> str | None:
        """The end of a message after the same reply in any wording; None if it is another reply."""
        if block == stored.suffix + stored.text:
            return ""
        n_header = len(stored.suffix)
        at = max((block.rfind(ending) for ending in self._endings), default=-1)
        if not block.startswith(stored.suffix):
            return None
        if at < n_header:
            # The next message's header closes it, or it goes on.
            at = max(len(block.rstrip()), n_header)
        body = block[n_header:at]
        if body != stored.text:
            sent, written = (self._whole(text, stored.suffix, tools) for text in (body, stored.text))
            if meaning(sent) != meaning(written):
                return None
        return block[at:]

    def _own_text(self, stored: StoredReply) -> str:
        """The text of a stored reply's tokens, which begins a little before the reply's own."""
        ids = np.frombuffer(stored.tokens, np.int32).tolist()
        return b"".join(map(self._vocabulary.piece, ids)).decode("utf-8", "replace")

    def _whole(self, text: str, suffix: str, tools: Messages) -> Whole:
        """A reply that followed `suffix`, taken apart."""
        end = self._family.reasoning_end_after(suffix)
        parser = ReplyParser(self._family, tools=tools, reasoning_end=end, parses_calls=bool(tools))
        return parts_whole(parser.feed(text) + parser.finish())


def _stored(context: ReplyContext, text: str, tokens: Sequence[int]) -> StoredReply:
    written = np.concatenate((context.head, np.array(tokens, np.int32)))
    return StoredReply(context.suffix, text, written.tobytes(), len(context.head))


def _shifted(rendered: RenderedPrompt, shifts: Sequence[tuple[int, int]]) -> RenderedPrompt:
    """The offsets that follow from text that grew by so much, in all, up to each of some old offsets."""
    olds = [old for old, _ in shifts]

    def moved(offsets: tuple[int, ...]) -> tuple[int, ...]:
        places = [bisect_right(olds, offset) for offset in offsets]
        return tuple(o + (shifts[place - 1][1] if place else 0) for o, place in zip(offsets, places, strict=True))

    ends = moved(tuple(one.end for one in rendered.breakpoints))
    return replace(
        rendered,
        message_ends=moved(rendered.message_ends),
        volatile=moved(rendered.volatile),
        part_ends=moved(rendered.part_ends),
        breakpoints=tuple(one._replace(end=end) for one, end in zip(rendered.breakpoints, ends, strict=True)),
    )
