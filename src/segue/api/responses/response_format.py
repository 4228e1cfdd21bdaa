"""The events of a reply in the Responses API."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from typing_extensions import override

from segue.api.replies.response_format import ResponseFormat
from segue.api.replies.serialization import JsonObject, account_json, event_bytes, progress_json, timings_json
from segue.api.responses.envelope import output_text, response_envelope, usage_of
from segue.api.responses.output import Output
from segue.api.responses.request import ResponsesRequest
from segue.api.responses.tools import Toolbox
from segue.chat.reply.reply_format import ReplyFormat
from segue.chat.reply.whole import parts_whole
from segue.serving.errors import Failure
from segue.serving.events import FinishedReply, PromptProgress, ReplyPiece, StopType
from segue.serving.service import Service


class ResponsesFormat(ResponseFormat):
    """One response: its events, numbered, or the whole. `keep` gets it once it is complete."""

    done = b""
    is_named = True

    def __init__(
        self,
        service: Service,
        request: ResponsesRequest,
        toolbox: Toolbox,
        reply_format: ReplyFormat,
        keep: Callable[[JsonObject], None],
    ) -> None:
        self._vocabulary = service.backend.vocabulary
        self._request = request
        self._keep = keep
        self._reply_format = reply_format
        self._parser = reply_format.parser(streams_calls=bool(request.stream))
        self._output = Output(toolbox, is_summary=request.wants_summary, is_sealed=request.wants_encrypted)
        self._response = response_envelope(service, request)
        self._n_events = 0
        self._n_reasoning = 0

    def count(self, reply: FinishedReply) -> None:
        """Count the tokens of a reply's reasoning, before formatting it; on a worker thread, since it takes a while."""
        parser = self._reply_format.parser()
        reasoning = parts_whole(parser.feed(reply.all_text) + parser.finish()).reasoning
        self._n_reasoning = len(self._vocabulary.tokenize(reasoning, add_special=False, parse_special=False))

    @property
    def ping(self) -> bytes:
        """An event: Codex gives up on a stream that has none for minutes, whatever comments come. Takes a number."""
        events = self._opened() if self._n_events == 0 else self._numbered([self._told("response.in_progress")])
        return b"".join(event_bytes(event, is_named=True) for event in events)

    @override
    def reading(self, reading: PromptProgress) -> Iterator[JsonObject]:
        yield from self._opened()
        progress = progress_json(reading.progress, with_timings=self._request.timings_per_token)
        yield from self._numbered([self._told("response.in_progress") | progress])

    @override
    def piece(self, piece: ReplyPiece) -> Iterator[JsonObject]:
        yield from self._opened()
        timings = piece.tokens[-1].timings if piece.tokens and self._request.timings_per_token else None
        extra: JsonObject = {} if timings is None else {"timings": timings_json(timings)}
        for event in self._numbered(self._output.add(self._parser.feed(piece.text))):
            yield event | extra

    @override
    def reply(self, reply: FinishedReply) -> Iterator[JsonObject]:
        yield from self._opened()
        yield from self._numbered(self._rest(reply))
        self._complete(reply)
        yield from self._numbered([self._told(f"response.{self._response['status']}")])

    @override
    def closing(self, replies: Sequence[FinishedReply]) -> Iterator[JsonObject]:
        yield from ()

    @override
    def whole(self, replies: Sequence[FinishedReply]) -> JsonObject:
        for _ in self._rest(replies[0]):
            pass
        self._complete(replies[0])
        return self._response

    @override
    def failure(self, failure: Failure) -> JsonObject:
        for _ in self._output.finish("incomplete"):
            pass
        told = {"code": failure.openai_code or failure.type, "message": failure.message}
        self._response = self._response | {"status": "failed", "error": told, "output": self._output.items}
        return next(self._numbered([self._told("response.failed")]))

    def _rest(self, reply: FinishedReply) -> Iterator[JsonObject]:
        """Take what no piece has carried, and complete the output."""
        yield from self._output.add(self._parser.feed(reply.text) + self._parser.finish())
        yield from self._output.finish("completed" if _is_complete(reply) else "incomplete")

    def _complete(self, reply: FinishedReply) -> None:
        is_complete, items = _is_complete(reply), self._output.items
        self._response = self._response | {
            "status": "completed" if is_complete else "incomplete",
            "completed_at": int(time.time()) if is_complete else None,
            "incomplete_details": None if is_complete else {"reason": "max_output_tokens"},
            "output": items,
            "output_text": output_text(items),
            "usage": usage_of(reply, self._n_reasoning),
            **account_json(reply),
        }
        self._keep(self._response)

    def _opened(self) -> Iterator[JsonObject]:
        """The events that open a stream, unless it is open."""
        if self._n_events == 0:
            yield from self._numbered([self._told("response.created"), self._told("response.in_progress")])

    def _numbered(self, events: Iterable[JsonObject]) -> Iterator[JsonObject]:
        for event in events:
            number, self._n_events = self._n_events, self._n_events + 1
            yield {**event, "sequence_number": number}

    def _told(self, kind: str) -> JsonObject:
        return {"type": kind, "response": self._response}


def refusal(service: Service, request: ResponsesRequest, failure: Failure) -> bytes:
    """The whole stream of a response that failed before the model began."""
    response = response_envelope(service, request)
    failed = response | {"status": "failed", "error": {"code": failure.openai_code, "message": failure.message}}
    told = (("created", response), ("in_progress", response), ("failed", failed))
    events: Iterator[JsonObject] = (
        {"type": f"response.{kind}", "response": state, "sequence_number": number}
        for number, (kind, state) in enumerate(told)
    )
    return b"".join(event_bytes(event, is_named=True) for event in events)


def _is_complete(reply: FinishedReply) -> bool:
    return reply.stop in (StopType.EOS, StopType.WORD)
