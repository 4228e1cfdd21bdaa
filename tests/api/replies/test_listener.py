"""The listener of one job."""

import asyncio

import numpy as np

from segue.api.replies.listener import JobListener
from segue.api.replies.mailbox import Mailbox
from segue.chat.reply.stream import TextStream
from segue.engine.sampling import SamplingParams
from segue.loop.end import EndReason, JobEnd
from segue.loop.events import Timings, TokenOut
from segue.loop.job import Job
from segue.policy.prompt_marks import PromptMarks
from segue.serving.events import Event, FinishedReply, ReplyPiece, StopType
from segue.serving.plan import GenerationPlan
from segue.serving.reports import Reports
from tests.kit.byte_vocabulary import EOS, ByteVocabulary
from tests.kit.fake_loop import FakeTicket

NOTHING = Timings()
JOB = Job(tokens=np.array([1], np.int32), sampling=SamplingParams(), marks=PromptMarks(), namespace="mine")


def hear(
    text: str, stops: tuple[str, ...] = (), *, is_live: bool, ends_first: bool = False
) -> tuple[list[Event], Reports, list[bool]]:
    async def main() -> tuple[list[Event], Reports, list[bool]]:
        mailbox: Mailbox[Event] = Mailbox()
        reports = Reports()
        plan = GenerationPlan((JOB,), stops, 0, is_live)
        listener = JobListener(0, plan, TextStream(ByteVocabulary(), stops), mailbox, reports)
        if not ends_first:
            listener.bind(FakeTicket(5))
        stopped = [listener.on_token(TokenOut(t, t == EOS, None, (), 1, None)) for t in [*text.encode(), EOS]]
        listener.on_end(JobEnd(EndReason.WORD if any(stopped) else EndReason.EOS, NOTHING, None, 0))
        if ends_first:
            listener.bind(FakeTicket(5))
        return await mailbox.receive(), reports, stopped

    return asyncio.run(main())


def test_a_live_one_passes_pieces_on() -> None:
    events, _, _ = hear("ab", is_live=True)
    *pieces, reply = events
    assert [piece.text for piece in pieces if isinstance(piece, ReplyPiece)] == ["a", "b"]
    assert isinstance(reply, FinishedReply)
    assert (reply.text, reply.stop, reply.job_id) == ("", StopType.EOS, 5)
    assert [token.token for token in reply.tokens] == [EOS]


def test_another_keeps_all_until_the_end() -> None:
    events, _, _ = hear("ab\n", is_live=False)
    (reply,) = events
    assert isinstance(reply, FinishedReply)
    assert (reply.text, reply.has_new_line) == ("ab\n", True)
    assert [token.token for token in reply.tokens] == [97, 98, 10, EOS]


def test_tokens_of_a_stop_string_are_dropped() -> None:
    for is_live in (False, True):
        events, _, stopped = hear("aSTOPb", ("STOP",), is_live=is_live)
        tokens = [
            token.token for event in events if isinstance(event, ReplyPiece | FinishedReply) for token in event.tokens
        ]
        assert bytes(tokens) == b"a"
        reply = events[-1]
        assert isinstance(reply, FinishedReply)
        assert (reply.stop, reply.stopping_word) == (StopType.WORD, "STOP")
        assert stopped.index(True) == 4


def test_a_job_may_end_before_its_ticket_is_known() -> None:
    events, reports, _ = hear("a", is_live=True, ends_first=True)
    assert isinstance(events[-1], FinishedReply)
    assert events[-1].job_id == 5
    assert reports.get(5, "mine") is not None
    assert reports.get(5, "other") is None


def test_reports_forget_the_oldest() -> None:
    reports = Reports(capacity=2)
    end = JobEnd(EndReason.EOS, NOTHING, None, 0)
    for job_id in range(3):
        reports.add(job_id, "", end)
    assert [reports.get(job_id, "") is None for job_id in range(4)] == [True, False, False, True]
