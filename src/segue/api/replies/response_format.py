"""The contract of a response format, which formats events for one API and knows nothing of connections or threads."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from typing_extensions import override

from segue.api.replies.failures import openai_failure
from segue.api.replies.serialization import JsonObject
from segue.serving.errors import Failure
from segue.serving.events import FinishedReply, PromptProgress, ReplyPiece


class ResponseFormat(Protocol):
    """Formats events as JSON objects; made for one request, on the event loop only."""

    done: bytes
    """The bytes that end a complete stream, after the last object."""
    is_named: bool
    """Whether each event is named by its object's `type`."""

    @property
    def ping(self) -> bytes:
        """The bytes that break a silence."""

    def failure(self, failure: Failure) -> JsonObject:
        """Format a failure, which is then the last object of the stream."""

    def reading(self, reading: PromptProgress) -> Iterable[JsonObject]:
        """Format a prompt's progress."""

    def piece(self, piece: ReplyPiece) -> Iterable[JsonObject]:
        """Format the next piece of a reply."""

    def reply(self, reply: FinishedReply) -> Iterable[JsonObject]:
        """Format the end of a reply that was streamed, and the part of it that was not sent yet."""

    def closing(self, replies: Sequence[FinishedReply]) -> Iterable[JsonObject]:
        """Format what follows when all replies are complete."""

    def whole(self, replies: Sequence[FinishedReply]) -> object:
        """Format all replies of a request that is not streamed."""


class UnnamedFormat(ResponseFormat):
    """The part that OpenAI's older APIs and llama-server's share: events without names, comments as pings."""

    is_named = False
    ping = b": ping\n\n"

    @override
    def failure(self, failure: Failure) -> JsonObject:
        return openai_failure(failure)[1]
