"""Anthropic's message, whole and as named events."""

from collections.abc import Iterator, Sequence

from typing_extensions import override

from segue.api.anthropic.content import ContentWriter, content_of
from segue.api.anthropic.ids import message_id
from segue.api.anthropic.requests import MessagesRequest
from segue.api.replies.failures import anthropic_failure
from segue.api.replies.response_format import ResponseFormat
from segue.api.replies.serialization import JsonObject, account_json, progress_json, timings_json
from segue.chat.reply.parser import ReplyParser
from segue.chat.reply.parts import CallClosed
from segue.chat.reply.reply_format import ReplyFormat
from segue.loop.events import TokenOut
from segue.serving.errors import Failure
from segue.serving.events import FinishedReply, PromptProgress, ReplyPiece, StopType

_STOP_REASONS = {
    StopType.EOS: "end_turn",
    StopType.WORD: "stop_sequence",
    StopType.LIMIT: "max_tokens",
    StopType.NONE: "max_tokens",
}


class MessagesFormat(ResponseFormat):
    """One message, with Segue's `cache` at its end, and with `timings` if the client asks for them.

    Its tokens must come with their timings. `n_kept`: the prompt's tokens up to the last breakpoint.
    """

    done = b""
    is_named = True
    ping = b'event: ping\ndata: {"type":"ping"}\n\n'

    def __init__(
        self, model: str, request: MessagesRequest, reply_format: ReplyFormat, n_prompt: int, n_kept: int
    ) -> None:
        self._request = request
        self._parser: ReplyParser = reply_format.parser(streams_calls=bool(request.stream))
        self._n_prompt = n_prompt
        self._n_kept = n_kept
        self._writer = ContentWriter()
        self._is_started = False
        self._message: JsonObject = {"id": message_id(), "type": "message", "role": "assistant", "model": model}

    @override
    def failure(self, failure: Failure) -> JsonObject:
        return anthropic_failure(failure)[1]

    @override
    def reading(self, reading: PromptProgress) -> Iterator[JsonObject]:
        yield from self._start(reading.progress.n_cached)
        yield {"type": "ping"} | progress_json(reading.progress, with_timings=self._request.timings_per_token)

    @override
    def piece(self, piece: ReplyPiece) -> Iterator[JsonObject]:
        timings = piece.tokens[0].timings if piece.tokens else None
        yield from self._start(timings.cache_n if timings is not None else 0)
        yield from self._say(piece.text, piece.tokens)

    @override
    def reply(self, reply: FinishedReply) -> Iterator[JsonObject]:
        timings = reply.end.timings
        yield from self._start(timings.cache_n)
        yield from self._say(reply.text, reply.tokens, is_last=True)
        usage = self._usage(timings.cache_n, timings.predicted_n)
        delta = _ending(reply, self._writer.n_calls)
        yield {"type": "message_delta", "delta": delta, "usage": usage, **self._account(reply)}
        yield {"type": "message_stop"}

    @override
    def closing(self, replies: Sequence[FinishedReply]) -> Iterator[JsonObject]:
        yield from ()

    @override
    def whole(self, replies: Sequence[FinishedReply]) -> JsonObject:
        reply = replies[0]
        parts = self._parser.feed(reply.text) + self._parser.finish()
        n_calls = sum(isinstance(part, CallClosed) for part in parts)
        return {
            **self._message,
            "content": content_of(parts),
            **_ending(reply, n_calls),
            "usage": self._usage(reply.end.timings.cache_n, reply.end.timings.predicted_n),
            **self._account(reply),
        }

    def _start(self, n_cached: int) -> Iterator[JsonObject]:
        """The event that begins the message, once."""
        if self._is_started:
            return
        self._is_started = True
        begun: JsonObject = {"content": [], "stop_reason": None, "stop_sequence": None}
        yield {"type": "message_start", "message": {**self._message, **begun, "usage": self._usage(n_cached, 0)}}

    def _say(self, text: str, tokens: Sequence[TokenOut], *, is_last: bool = False) -> Iterator[JsonObject]:
        parts = self._parser.feed(text) + (self._parser.finish() if is_last else [])
        events = [event for part in parts for event in self._writer.add(part)]
        timings = tokens[-1].timings if tokens else None
        if events and timings is not None and self._request.timings_per_token:
            events[-1]["timings"] = timings_json(timings)
        yield from events
        if is_last:
            yield from self._writer.finish()

    def _account(self, reply: FinishedReply) -> JsonObject:
        account = account_json(reply)
        return account if self._request.timings_per_token else {"cache": account["cache"]}

    def _usage(self, n_cached: int, n_predicted: int) -> JsonObject:
        n_created = max(0, self._n_kept - n_cached)
        return {
            "input_tokens": self._n_prompt - n_cached - n_created,
            "cache_creation_input_tokens": n_created,
            "cache_read_input_tokens": n_cached,
            "output_tokens": n_predicted,
        }


def _ending(reply: FinishedReply, n_calls: int) -> JsonObject:
    is_word = reply.stop is StopType.WORD
    reason = "tool_use" if n_calls and reply.stop in (StopType.EOS, StopType.WORD) else _STOP_REASONS[reply.stop]
    return {"stop_reason": reason, "stop_sequence": reply.stopping_word if is_word else None}
