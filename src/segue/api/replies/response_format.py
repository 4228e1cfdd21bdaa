"""The contract of a response format, which words events for one API and knows nothing of connections or threads."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from typing_extensions import override

from segue.api.replies.failures import openai_failure
from segue.api.replies.serialization import JsonObject
from segue.serving.errors import Failure
from segue.serving.events import FinishedReply, PromptProgress, ReplyPiece


class ResponseFormat(Protocol):
    """Words events as JSON objects; made for one request, on the event loop only."""

    done: bytes
    """What a complete stream ends with, after the last object."""
    is_named: bool
    """Whether each event is named by its object's `type`."""

    @property
    def ping(self) -> bytes:
        """What breaks a silence."""

    def failure(self, failure: Failure) -> JsonObject:
        """Word a failure, which is then the last object of the stream."""

    def reading(self, reading: PromptProgress) -> Iterable[JsonObject]:
        """Word a prompt's progress."""

    def piece(self, piece: ReplyPiece) -> Iterable[JsonObject]:
        """Word the next piece of a reply."""

    def reply(self, reply: FinishedReply) -> Iterable[JsonObject]:
        """Word the end of a reply that was streamed, and what of it was not sent yet."""

    def closing(self, replies: Sequence[FinishedReply]) -> Iterable[JsonObject]:
        """Word what follows when all replies are complete."""

    def whole(self, replies: Sequence[FinishedReply]) -> object:
        """Word all replies of a request that is not streamed."""


class UnnamedFormat(ResponseFormat):
    """What the formats of OpenAI's older APIs and of llama-server share: events without names, comments as pings."""

    is_named = False
    ping = b": ping\n\n"

    @override
    def failure(self, failure: Failure) -> JsonObject:
        return openai_failure(failure)[1]
