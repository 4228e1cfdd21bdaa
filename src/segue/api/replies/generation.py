"""The running jobs of one request: submits them, merges their events, cancels them when the client leaves."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from starlette.concurrency import run_in_threadpool
from starlette.types import Message

from segue.api.replies.listener import JobListener
from segue.api.replies.mailbox import Mailbox
from segue.chat.reply.stream import TextStream
from segue.loop.end import EndReason
from segue.serving.errors import UNAVAILABLE, ApiError, from_job
from segue.serving.events import Event, FinishedReply, Signal, keep_nothing
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service

log = logging.getLogger(__name__)

Receive = Callable[[], Awaitable[Message]]

_FAREWELL_S = 60.0


class ClientGoneError(Exception):
    """The client closed the connection."""


class Generation:
    """A request's jobs while they run. Belongs to the event loop; `close` it, which cancels what still runs.

    Each reply is remembered before its last event is sent; an interrupted one, once its job has ended. `receive` is the
    request's own, after its body was read: it is watched for the client going away.
    """

    def __init__(self, receive: Receive, service: Service, plan: GenerationPlan) -> None:
        self._service = service
        self._plan = plan
        self._loop = asyncio.get_running_loop()
        self._mailbox: Mailbox[Event] = Mailbox()
        self._listeners: list[JobListener] = []
        self._n_kept = 0
        self._says_farewell = False
        self._watch = asyncio.create_task(self._watch_client(receive))
        self._timer: asyncio.TimerHandle | None = None
        self._last_sent = self._loop.time()

    def submit(self, session: str) -> None:
        """Queue all jobs, as those of a client's session. Raises ApiError if the loop takes no more."""
        backend, plan = self._service.backend, self._plan
        for index, job in enumerate(plan.jobs):
            stream = TextStream(backend.vocabulary, plan.stops, shown=plan.shown)
            listener = JobListener(index, plan, stream, self._mailbox, self._service.reports)
            try:
                listener.bind(backend.loop.submit(replace(job, session=session), listener))
            except RuntimeError as error:
                raise ApiError(UNAVAILABLE, "The server is shutting down") from error
            self._listeners.append(listener)

    async def next_events(self) -> list[Event]:
        """The next events, at least one. Raises ClientGoneError."""
        events = await self._next_events()
        if Signal.GONE in events:
            raise ClientGoneError
        return events

    async def _next_events(self) -> list[Event]:
        events = await self._mailbox.receive()
        replies = [event for event in events if isinstance(event, FinishedReply)]
        self._n_kept += len(replies)
        for reply in replies:
            await self._keep(reply)
        return events

    async def _keep(self, reply: FinishedReply) -> None:
        try:
            if self._says_farewell:
                await self._loop.run_in_executor(self._service.farewells.executor, self._plan.keep, reply)
            else:
                await run_in_threadpool(self._plan.keep, reply)
        except Exception:
            log.exception("a reply could not be kept as it was written")

    async def replies(self) -> list[FinishedReply]:
        """All replies, whole, in order. Raises ClientGoneError, or ApiError for the first job that failed."""
        replies: list[FinishedReply] = []
        while len(replies) < len(self._listeners):
            for event in await self.next_events():
                if isinstance(event, FinishedReply):
                    check(event)
                    replies.append(event)
        return sorted(replies, key=lambda reply: reply.index)

    def signal_silence(self, interval_s: float) -> None:
        """From now on, put `SILENCE` among the events when nothing was `sent` for so long; never if not positive."""
        if self._timer is not None:
            self._timer.cancel()
        if interval_s > 0:
            self._timer = self._loop.call_at(self._last_sent + interval_s, self._on_silence, interval_s)

    def _on_silence(self, interval_s: float) -> None:
        now = self._loop.time()
        if now >= self._last_sent + interval_s:
            self._last_sent = now
            self._mailbox.send(Signal.SILENCE)
        self._timer = self._loop.call_at(self._last_sent + interval_s, self._on_silence, interval_s)

    def sent(self) -> None:
        """Note that something was sent."""
        self._last_sent = self._loop.time()

    def close(self) -> None:
        """Cancel the jobs that are not over, and stop watching."""
        self._watch.cancel()
        if self._timer is not None:
            self._timer.cancel()
        for listener in self._listeners:
            listener.cancel()
        self._begin_farewell()
        if self._says_farewell:
            self._service.farewells.run(self._plan.jobs[0].namespace, self._say_farewell())

    def _begin_farewell(self) -> None:
        """Remember what the client received, if it received anything and replies are remembered."""
        is_remembered = self._plan.is_live and self._plan.keep is not keep_nothing
        has_any = any(listener.has_begun for listener in self._listeners)
        if is_remembered and has_any and self._is_left and not self._says_farewell:
            self._says_farewell = True
            self._service.farewells.begin(self._plan.jobs[0].namespace)

    @property
    def _is_left(self) -> bool:
        return self._n_kept < len(self._listeners)

    async def _say_farewell(self) -> None:
        """Keep the replies that the client did not wait for, as far as they were written."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_S):
                while self._is_left:
                    await self._next_events()

    async def _watch_client(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        # The client's next request may arrive before the signal is received.
        self._begin_farewell()
        self._mailbox.send(Signal.GONE)


def check(reply: FinishedReply) -> None:
    """Raise ApiError if the job failed."""
    if reply.end.error is not None:
        raise from_job(reply.end.error)
    if reply.end.reason is EndReason.CANCELLED:
        raise ApiError(UNAVAILABLE, "The request was cancelled: the server is shutting down")
