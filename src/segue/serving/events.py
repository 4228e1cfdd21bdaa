"""The events of a request's jobs, in order."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from segue.loop.end import JobEnd
from segue.loop.events import Progress, TokenOut


class StopType(StrEnum):
    """Why a reply ended, in llama-server's words."""

    NONE = "none"
    EOS = "eos"
    LIMIT = "limit"
    WORD = "word"


class Signal(Enum):
    """An event of the connection."""

    SILENCE = auto()
    GONE = auto()


@dataclass(frozen=True, slots=True)
class PromptProgress:
    """Part of the prompt of reply `index` was read."""

    index: int
    progress: Progress


@dataclass(frozen=True, slots=True)
class ReplyPiece:
    """The next piece of reply `index`, and the tokens that made it."""

    index: int
    text: str
    tokens: tuple[TokenOut, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedReply:
    """Reply `index` is complete. `text` and `tokens` are what no `ReplyPiece` has carried yet: all, if not streamed.

    `all_text` is all of its text in any case, and `all_tokens` all of its tokens.
    """

    index: int
    text: str
    tokens: tuple[TokenOut, ...]
    stop: StopType
    stopping_word: str
    has_new_line: bool
    job_id: int
    end: JobEnd
    all_text: str = ""
    all_tokens: tuple[int, ...] = ()


Event = PromptProgress | ReplyPiece | FinishedReply | Signal
Keep = Callable[[FinishedReply], None]
"""Called with each reply before its client has all of it, on any thread; it may take its time."""


def keep_nothing(reply: FinishedReply) -> None:
    """Keep nothing of a reply."""
