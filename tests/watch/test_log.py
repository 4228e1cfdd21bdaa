"""One line for each request."""

import logging

import pytest

from segue.loop.end import EndReason, ErrorType, JobEnd, JobError
from segue.loop.events import Timings
from segue.policy.reasons import CacheReport
from segue.watch.log import configure, log_request, request_line

TIMINGS = Timings(cache_n=1790, prompt_n=52, prompt_ms=93.2, predicted_n=128, predicted_ms=2410.0)


def report(**fields: object) -> CacheReport:
    return CacheReport(
        **{  # type: ignore[arg-type]
            "n_prompt": 1842,
            "n_known": 1802,
            "n_reused": 1790,
            "n_read": 52,
            "new": 40,
            "no_checkpoint_here": 12,
            "evicted": 0,
            "damaged": 0,
            "last_token": 0,
            "incompatible": 0,
            "cheaper_to_read": 0,
            "not_fetched": 0,
            "from_origin": "message_end",
            "from_tier": "parked",
            "from_age_s": 12.4,
            **fields,
        }
    )


def test_a_request_in_a_line() -> None:
    assert request_line(12, JobEnd(EndReason.EOS, TIMINGS, report(), 3)) == (
        "request 12 on slot 3, prompt 1842: 1790 reused from message_end in parked, 12 s old, "
        "52 read in 93 ms (40 new, 12 no checkpoint here), 128 generated in 2410 ms (52.7/s), eos"
    )


def test_nothing_reused_nothing_generated() -> None:
    timings = Timings(prompt_n=10, prompt_ms=5.0)
    cold = report(n_prompt=10, n_reused=0, n_read=10, new=10, no_checkpoint_here=0, from_origin="", from_tier="")
    line = request_line(1, JobEnd(EndReason.LIMIT, timings, cold, 0, truncated=True))
    assert line == "request 1 on slot 0, prompt 10: 0 reused, 10 read in 5 ms (10 new), context full"


def test_a_request_that_never_ran() -> None:
    error = JobError(ErrorType.EXCEED_CONTEXT, "some text of the error")
    line = request_line(2, JobEnd(EndReason.ERROR, Timings(), None, -1, error=error))
    assert line == "request 2, error: exceed_context_size_error"


@pytest.mark.parametrize(("verbosity", "n_lines"), [(1, 0), (2, 0), (3, 1), (9, 1)])
def test_verbosity(verbosity: int, n_lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    loggers = [logging.getLogger(name) for name in ("segue", "uvicorn")]
    before = [(logger.handlers, logger.propagate, logger.level) for logger in loggers]
    try:
        configure(verbosity)
        log_request(1, JobEnd(EndReason.EOS, TIMINGS, report(), 0))
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, before, strict=True):
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
    assert capsys.readouterr().err.count("request 1") == n_lines
