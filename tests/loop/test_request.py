"""What a request tells of its times."""

import numpy as np
import pytest

from segue.engine.sampling import SamplingParams
from segue.loop.inbox import Inbox, Submission
from segue.loop.job import Job
from segue.loop.request import Request
from segue.policy.prompt_marks import PromptMarks
from tests.kit.rig import Heard


def test_generating_is_timed_from_the_first_token_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.0, 12.5, 13.5])
    monkeypatch.setattr("segue.loop.request.time.perf_counter", lambda: next(times))
    job = Job(tokens=np.arange(3, dtype=np.int32), sampling=SamplingParams(), marks=PromptMarks())
    request = Request(submission=Submission(1, job, Heard(), Inbox()), id_slot=0)
    request.n_read = 3
    request.append(7)
    timings = request.timings()
    assert (timings.predicted_n, timings.predicted_ms, timings.predicted_per_second) == (1, 0, 0)
    request.append(8)
    request.append(9)
    timings = request.timings()
    assert (timings.prompt_ms, timings.prompt_per_second) == (2000, 1.5)
    assert (timings.predicted_n, timings.predicted_ms) == (3, 1500)
    assert timings.predicted_per_second == pytest.approx(2 / 1.5)
