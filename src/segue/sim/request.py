"""One request of a trace, as policies see it."""

from dataclasses import dataclass, field

import numpy as np

from segue.prefix.branch import Tokens


def _nothing() -> Tokens:
    return np.empty(0, dtype=np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """A prompt that arrives at `at_s` seconds, as ids of whole blocks of tokens.

    `path` has one id for each whole block of the prompt, such that two paths share a block exactly where their tokens
    up to its end are the same. `n_prompt_tokens` counts the tokens of the last, partial block as well; they can never
    be a hit. `reply` are the blocks that the reply adds, empty where the trace does not list them. `message_ends` are
    positions on the path, in blocks, as `PromptMarks` has them; `user_starts` are where messages of a person
    begin.
    """

    conversation: int
    at_s: float
    path: Tokens
    n_prompt_tokens: int
    n_reply_tokens: int
    reply: Tokens = field(default_factory=_nothing)
    message_ends: tuple[int, ...] = ()
    user_starts: tuple[int, ...] = ()

    @property
    def whole(self) -> Tokens:
        """The path at the end of the request: its prompt, and its reply if the trace lists it."""
        return np.concatenate((self.path, self.reply)) if len(self.reply) else self.path
