"""What other threads see of a slot and its request."""

import numpy as np
import pytest

from segue.engine.sampling import SamplingParams
from segue.loop.front import SlotView
from segue.loop.inbox import Inbox, Submission
from segue.loop.job import Job
from segue.loop.request import Request
from segue.loop.slot import Slot
from segue.policy.prompt_marks import PromptMarks
from tests.kit.rig import Heard


def submission(id_: int, n_tokens: int = 3, namespace: str = "", n_predict: int = -1) -> Submission:
    """A request that nobody serves."""
    job = Job(
        tokens=np.arange(n_tokens, dtype=np.int32),
        sampling=SamplingParams(),
        marks=PromptMarks(),
        n_predict=n_predict,
        namespace=namespace,
    )
    return Submission(id_, job, Heard(), Inbox())


def test_an_idle_slot_shows_nothing_of_the_request_before() -> None:
    slot = Slot(3)
    fresh = slot.view(64)
    assert fresh == SlotView(
        id=3,
        namespace="",
        is_processing=False,
        id_task=-1,
        n_ctx=64,
        n_prompt_tokens=0,
        n_prompt_tokens_processed=0,
        n_prompt_tokens_cache=0,
        n_decoded=0,
    )
    request = slot.begin(submission(9, namespace="somebody's"))
    request.n_read, request.n_cached = 2, 1
    request.append(7)
    assert slot.view(64) == SlotView(
        id=3,
        namespace="somebody's",
        is_processing=True,
        id_task=9,
        n_ctx=64,
        n_prompt_tokens=3,
        n_prompt_tokens_processed=2,
        n_prompt_tokens_cache=1,
        n_decoded=1,
        sampling=SamplingParams(),
        n_remain=-1,
    )
    slot.clear()
    assert slot.view(64) == fresh


@pytest.mark.parametrize(("n_predict", "n_remain"), [(-1, -1), (5, 4), (1, 0)])
def test_a_busy_slot_tells_what_may_still_come(n_predict: int, n_remain: int) -> None:
    slot = Slot(0)
    slot.begin(submission(1, n_predict=n_predict)).append(7)
    assert slot.view(64).n_remain == n_remain


class Changing(Request):
    """A request that is over, and whose slot has the next one, just when another thread looks at its counts."""

    def __init__(self, submission: Submission, slot: Slot) -> None:
        super().__init__(submission=submission, id_slot=slot.id)
        self._slot = slot

    @property
    def n_read(self) -> int:
        if self._slot.request is self:
            self._slot.clear()
            self._slot.begin(submission(2, namespace="another")).n_read = 30
        return 2

    @n_read.setter
    def n_read(self, n: int) -> None:
        """The count never changes."""


def test_counts_are_never_told_as_those_of_another_request() -> None:
    slot = Slot(0)
    slot.request = Changing(submission(1, namespace="one"), slot)
    view = slot.view(64)
    assert view.is_processing
    assert (view.namespace, view.id_task, view.n_prompt_tokens_processed) == ("one", 1, 2)
    view = slot.view(64)
    assert (view.namespace, view.id_task, view.n_prompt_tokens_processed) == ("another", 2, 30)


def test_a_new_request_is_seen_with_its_own_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    slot = Slot(0)
    request = slot.begin(submission(1))
    request.n_read = request.n_cached = 40
    slot.clear()
    seen: list[SlotView] = []

    def look(self: object, name: str, value: object) -> None:
        object.__setattr__(self, name, value)
        seen.append(slot.view(64))

    for kind in (Slot, Request):
        monkeypatch.setattr(kind, "__setattr__", look)
    slot.begin(submission(2, namespace="other"))
    assert any(view.is_processing for view in seen)
    assert {(view.n_prompt_tokens_processed, view.n_prompt_tokens_cache) for view in seen} == {(0, 0)}
