"""Listens to one job: turns tokens into text on the engine's thread and posts it to the request's mailbox."""

import threading

from segue.api.replies.mailbox import Mailbox
from segue.chat.reply.stream import TextStream
from segue.loop.end import EndReason, JobEnd
from segue.loop.events import Progress, TokenOut
from segue.loop.front import Ticket
from segue.serving.events import Event, FinishedReply, PromptProgress, ReplyPiece, StopType
from segue.serving.plan import GenerationPlan
from segue.serving.reports import Reports

_STOPS = {EndReason.EOS: StopType.EOS, EndReason.LIMIT: StopType.LIMIT, EndReason.WORD: StopType.WORD}


class JobListener:
    """A job's `Listener`. If the request streams, each piece is passed on at once; otherwise only the whole reply.

    Tokens wait while their text is an unfinished character, or may become a stop string. Those of a stop string are
    never passed on. The whole reply waits for the ticket too, since a job may end before `submit` returns.
    """

    def __init__(
        self,
        index: int,
        plan: GenerationPlan,
        stream: TextStream,
        mailbox: Mailbox[Event],
        reports: Reports,
    ) -> None:
        self._index = index
        self._namespace = plan.jobs[index].namespace
        self._plan = plan
        self._stream = stream
        self._mailbox = mailbox
        self._reports = reports
        self._waiting: list[TokenOut] = []
        self._tokens: list[TokenOut] = []
        self._texts: list[str] = []
        self._all_texts: list[str] = []
        self._all_tokens: list[int] = []
        self._stop = StopType.NONE
        self._stopping_word = ""
        self._has_new_line = False
        self._lock = threading.Lock()
        self._ticket: Ticket | None = None
        self._end: JobEnd | None = None

    def on_progress(self, progress: Progress) -> None:
        """Pass progress on."""
        self._mailbox.send(PromptProgress(self._index, progress))

    def on_token(self, token: TokenOut) -> bool:
        """Turn a token into text; True once a stop string is complete or the time is up."""
        self._waiting.append(token)
        self._all_tokens.append(token.token)
        if token.is_eog:
            return False
        delta = self._stream.feed(token.token)
        if delta.text:
            self._pass_on(delta.text)
        if delta.stopped:
            self._stop, self._stopping_word = StopType.WORD, delta.stopping_word
        elif self._is_late(token) and "\n" in delta.text:
            self._stop = StopType.LIMIT
        return self._stop is not StopType.NONE

    def _is_late(self, token: TokenOut) -> bool:
        return token.timings is not None and 0 < self._plan.t_max_predict_ms < token.timings.predicted_ms

    def _pass_on(self, text: str) -> None:
        self._has_new_line = self._has_new_line or "\n" in text
        self._all_texts.append(text)
        if self._plan.is_live:
            self._mailbox.send(ReplyPiece(self._index, text, tuple(self._waiting)))
        else:
            self._texts.append(text)
            self._tokens += self._waiting
        self._waiting.clear()

    def on_end(self, end: JobEnd) -> None:
        """Take the rest of the text; the reply is complete."""
        if self._stop is StopType.NONE:
            self._stop = _STOPS.get(end.reason, StopType.NONE)
        if self._stop is not StopType.WORD and (rest := self._stream.flush()):
            self._texts.append(rest)
            self._all_texts.append(rest)
            self._has_new_line = self._has_new_line or "\n" in rest
        if self._stop is not StopType.WORD:
            self._tokens += self._waiting
        with self._lock:
            self._end = end
            self._finish()

    @property
    def has_begun(self) -> bool:
        """Whether a token was generated; any thread."""
        return bool(self._all_tokens)

    def bind(self, ticket: Ticket) -> None:
        """Learn the job's ticket; called once, by the thread that submitted it."""
        with self._lock:
            self._ticket = ticket
            self._finish()

    def cancel(self) -> None:
        """Stop the job unless it is over; any thread."""
        if self._ticket is not None and self._end is None:
            self._ticket.cancel()

    def _finish(self) -> None:
        if self._ticket is None or self._end is None:
            return
        self._reports.add(self._ticket.id, self._namespace, self._end)
        self._mailbox.send(
            FinishedReply(
                index=self._index,
                text="".join(self._texts),
                tokens=tuple(self._tokens),
                stop=self._stop,
                stopping_word=self._stopping_word,
                has_new_line=self._has_new_line,
                job_id=self._ticket.id,
                end=self._end,
                all_text="".join(self._all_texts),
                all_tokens=tuple(self._all_tokens),
            )
        )
