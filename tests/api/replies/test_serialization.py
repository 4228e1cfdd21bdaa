"""What several APIs tell of a reply."""

import dataclasses

from segue.api.replies.serialization import encode, timings_json, usage_json
from segue.api.responses.envelope import usage_of
from segue.loop.end import EndReason, JobEnd
from segue.loop.events import Timings
from segue.policy.reasons import explain
from segue.serving.events import FinishedReply, StopType

REPORT = explain(100, 60, 60, evicted_upto=0, needs_last=False)


def reply(timings: Timings, index: int = 0) -> FinishedReply:
    """A reply to a prompt of 100 tokens, 60 of which were cached."""
    end = JobEnd(EndReason.LIMIT, timings, REPORT, 0)
    return FinishedReply(
        index=index, text="", tokens=(), stop=StopType.LIMIT, stopping_word="", has_new_line=False, job_id=1, end=end
    )


def test_timings_of_one_token_are_plain_numbers() -> None:
    told = timings_json(Timings(cache_n=5, prompt_ms=0.4, predicted_n=1))
    assert told["predicted_per_second"] == told["predicted_per_token_ms"] == told["prompt_per_second"] == 0
    assert b"null" not in encode(told)


def test_what_is_read_twice_is_in_the_prompt_once() -> None:
    gave_way = reply(Timings(cache_n=60, prompt_n=70, prompt_ms=9.0, predicted_n=3, predicted_ms=2.0))
    usage = usage_json([gave_way, dataclasses.replace(gave_way, index=1)], n_choices=2)
    assert usage == {
        "completion_tokens": 6,
        "prompt_tokens": 100,
        "total_tokens": 106,
        "prompt_tokens_details": {"cached_tokens": 60},
    }
    told = usage_of(gave_way, 0)
    assert (told["input_tokens"], told["total_tokens"]) == (100, 103)
