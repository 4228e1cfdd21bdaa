"""Ends the reasoning of a reply once it has used up its budget of tokens."""

import sys
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from segue.chat.reply.reply_format import ReplyFormat
from segue.chat.reply.stream import TextStream
from segue.chat.vocabulary import TokenVocabulary


class ThinkingSwitch:
    """Ends the reasoning of running replies. Any thread."""

    def __init__(self) -> None:
        self.is_off = False

    def turn_off(self) -> None:
        """End the reasoning at the next token, and any that begins later."""
        self.is_off = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkingBudget:
    """At most `n_tokens` tokens of reasoning in a reply (-1: any number), and none once the `switch` is off.

    Where the reasoning is ended, `message` precedes the end tag. `reply_format` must parse reasoning. `shown` are the
    control tokens whose text belongs to the reply. Any thread.
    """

    vocabulary: TokenVocabulary
    reply_format: ReplyFormat
    shown: Collection[int]
    n_tokens: int
    message: str = ""
    switch: ThinkingSwitch | None = None

    def limit(self) -> "ThinkingLimit":
        """The limit for one reply."""
        return ThinkingLimit(self)


class ThinkingLimit:
    """Counts the tokens of one reply's reasoning, and forces its end after the last one that the budget allows.

    The tag that opens the reasoning does not count, nor does the last token of the tag that ends it. Calls inside the
    reasoning count, but nothing is forced before they are over, nor behind a tag of the model's own that may turn out
    to be quoted. Belongs to one thread at a time.
    """

    def __init__(self, budget: ThinkingBudget) -> None:
        self._vocabulary = budget.vocabulary
        self._parser = budget.reply_format.parser()
        self._stream = TextStream(budget.vocabulary, shown=budget.shown)
        self._n_left = budget.n_tokens if budget.n_tokens >= 0 else sys.maxsize
        self._switch = budget.switch
        self._n_unsure = 0
        self._message = budget.message
        self._forced: deque[int] = deque()
        self._force_end()

    def forced(self) -> int | None:
        """The token that must come next; None if it is to be drawn."""
        if self._switch is not None and self._switch.is_off and not self._forced:
            self._n_left = 0
            if not self._parser.may_have_ended:
                self._force_end()
        return self._forced[0] if self._forced else None

    def accept(self, token: int) -> None:
        """Follow the reply by one token."""
        was_reasoning = bool(self._parser.reasoning_end)
        self._parser.feed(self._stream.feed(token).text)
        if self._forced:
            # An end tag that may be quoted counts as the end until the next token tells.
            self._forced.popleft()
            return
        is_reasoning = bool(self._parser.reasoning_end)
        self._n_unsure = self._n_unsure + was_reasoning if is_reasoning else 0
        if not self._parser.may_have_ended:
            self._n_left -= self._n_unsure
            self._n_unsure = 0
            self._force_end()

    def _force_end(self) -> None:
        """Force the end of the reasoning if the reply is in it and the budget is used up."""
        end = self._parser.reasoning_end
        if not end or self._n_left > 0 or self._parser.is_calling:
            return
        tokens = self._tokens(end)
        begun = self._parser.unread
        if begun and len(tokens) > 1 and end.startswith(begun):
            tokens = self._tokens(end.removeprefix(begun))
        elif self._message:
            # Once is enough if the model begins to reason again.
            tokens = self._tokens(self._message) + tokens
            self._message = ""
        self._forced.extend(tokens)

    def _tokens(self, text: str) -> list[int]:
        tokens: list[int] = self._vocabulary.tokenize(text, add_special=False, parse_special=True).tolist()
        return tokens
