"""What a slot tells of its request: times, and what other threads see of it."""

import numpy as np
import pytest

from segue.engine.sampling import SamplingParams
from segue.loop.inbox import Inbox, Submission
from segue.loop.job import Job, SlotView
from segue.loop.slot import Slot
from segue.policy.placement import PromptMarks
from tests.kit.rig import Heard


def submission(id_: int, n_tokens: int = 3, scope: str = "") -> Submission:
    """A request that nobody serves."""
    job = Job(np.arange(n_tokens, dtype=np.int32), SamplingParams(), PromptMarks(), scope=scope)
    return Submission(id_, job, Heard(), Inbox())


def test_generating_is_timed_from_the_first_token_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([10.0, 12.0, 12.5, 13.5])
    monkeypatch.setattr("segue.loop.slot.time.perf_counter", lambda: next(times))
    slot = Slot(0)
    slot.begin(submission(1))
    slot.n_read = 3
    slot.append(7)
    timings = slot.timings()
    assert (timings.predicted_n, timings.predicted_ms, timings.predicted_per_second) == (1, 0, 0)
    slot.append(8)
    slot.append(9)
    timings = slot.timings()
    assert (timings.prompt_ms, timings.prompt_per_second) == (2000, 1.5)
    assert (timings.predicted_n, timings.predicted_ms) == (3, 1500)
    assert timings.predicted_per_second == pytest.approx(2 / 1.5)


def test_an_idle_slot_shows_nothing_of_the_request_before() -> None:
    slot = Slot(3)
    fresh = slot.view(64)
    assert fresh == SlotView(3, "", False, -1, 64, 0, 0, 0, 0)
    slot.begin(submission(9, scope="somebody's"))
    slot.n_read, slot.n_cached = 2, 1
    slot.append(7)
    assert slot.view(64) == SlotView(3, "somebody's", True, 9, 64, 3, 2, 1, 1)
    slot.clear()
    assert slot.view(64) == fresh


class Changing(Slot):
    """A slot whose request is over, and whose next one runs, just when another thread looks at its counts."""

    @property
    def n_read(self) -> int:
        if self.submission is not None and self.submission.id == 1:
            self.clear()
            self.begin(submission(2, scope="another"))
            self._n_read = 30
        return self._n_read

    @n_read.setter
    def n_read(self, n: int) -> None:
        self._n_read = n


def test_counts_are_never_told_as_those_of_another_request() -> None:
    slot = Changing(0)
    slot.begin(submission(1, scope="one"))
    view = slot.view(64)
    assert view.is_processing
    assert (view.scope, view.id_task, view.n_prompt_tokens_processed) == ("", -1, 0)
    assert slot.view(64).n_prompt_tokens_processed == 30


def test_a_new_request_is_seen_with_its_own_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    slot = Slot(0)
    slot.begin(submission(1))
    slot.n_read = slot.n_cached = 40
    slot.clear()
    seen: list[SlotView] = []
    set_ = Slot.__setattr__

    def set_and_look(self: Slot, name: str, value: object) -> None:
        set_(self, name, value)
        seen.append(self.view(64))

    monkeypatch.setattr(Slot, "__setattr__", set_and_look)
    slot.begin(submission(2, scope="other"))
    assert any(view.is_processing for view in seen)
    assert {(view.n_prompt_tokens_processed, view.n_prompt_tokens_cache) for view in seen} == {(0, 0)}
