"""A model is unloaded while nobody asks, and loaded again for those who do."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from segue.engine.errors import ModelError
from segue.serving.errors import ApiError
from segue.serving.sleeper import Sleeper
from tests.kit.waiting import PATIENCE_S, wait_until

_NEVER_S = 1e6


class Weights:
    """What is unloaded and loaded; each step may be held up, and loading may fail."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.n_refusals = 0
        self.failures: list[Exception] = []
        self.gate = threading.Event()
        self.gate.set()

    def unload(self) -> bool:
        assert self.gate.wait(PATIENCE_S)
        self.calls.append("unload")
        self.n_refusals -= 1
        return self.n_refusals < 0

    def load(self) -> None:
        self.calls.append("load")
        if self.failures:
            raise self.failures.pop()


@contextmanager
def sleeper(weights: Weights, idle_s: float = 0.0) -> Iterator[Sleeper]:
    made = Sleeper(weights, idle_s)
    try:
        yield made
    finally:
        weights.gate.set()
        made.close()


def test_an_idle_model_is_unloaded_and_loaded_for_the_next_request() -> None:
    weights = Weights()
    with sleeper(weights) as one:
        wait_until(lambda: one.is_asleep and weights.calls, "sleep")
        one.enter().result(PATIENCE_S)
        assert not one.is_asleep
        assert weights.calls == ["unload", "load"]
        one.leave()
        wait_until(lambda: one.is_asleep and len(weights.calls) == 3, "sleep")


def test_a_model_is_not_unloaded_before_its_time() -> None:
    weights = Weights()
    with sleeper(weights, _NEVER_S) as one:
        one.enter().result(PATIENCE_S)
        one.leave()
    assert not weights.calls


def test_a_model_in_use_stays() -> None:
    weights = Weights()
    with sleeper(weights, 0.001) as one:
        one.enter().result(PATIENCE_S)
        n_before = len(weights.calls)
        one.enter().result(PATIENCE_S)
        one.leave()
        # It looks again whenever a request comes or goes.
        for _ in range(20):
            one.enter().result(PATIENCE_S)
            one.leave()
        assert len(weights.calls) == n_before
        one.leave()
        wait_until(lambda: len(weights.calls) > n_before, "sleep")


def test_a_model_with_work_left_is_tried_again() -> None:
    weights = Weights()
    weights.n_refusals = 2
    with sleeper(weights) as one:
        wait_until(lambda: weights.calls == ["unload"] * 3, "sleep")
        one.enter().result(PATIENCE_S)
        assert weights.calls == ["unload"] * 3 + ["load"]


@pytest.mark.parametrize("n_refusals", [0, 1])
def test_requests_wait_for_a_model_that_is_being_unloaded(n_refusals: int) -> None:
    weights = Weights()
    weights.n_refusals = n_refusals
    weights.gate.clear()
    with sleeper(weights) as one:
        wait_until(lambda: one.is_asleep, "sleep")
        waiting = [one.enter() for _ in range(3)]
        assert not any(awake.done() for awake in waiting)
        weights.gate.set()
        for awake in waiting:
            awake.result(PATIENCE_S)
        assert weights.calls == (["unload"] if n_refusals else ["unload", "load"])


def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    weights = Weights()
    weights.failures = [ModelError("model.gguf has gone")]
    with sleeper(weights) as one:
        wait_until(lambda: one.is_asleep and weights.calls, "sleep")
        with pytest.raises(ApiError) as told:
            one.enter().result(PATIENCE_S)
        one.leave()
        assert told.value.failure.status == 503
        assert "has gone" in told.value.failure.message
        assert one.is_asleep
        one.enter().result(PATIENCE_S)
    assert [r.message for r in caplog.records if r.levelno == logging.ERROR] == [told.value.failure.message]


def test_a_client_that_leaves_while_the_model_is_loaded_keeps_nobody_waiting() -> None:
    weights = Weights()
    weights.gate.clear()
    with sleeper(weights) as one:
        wait_until(lambda: one.is_asleep, "sleep")
        gone, stays = one.enter(), one.enter()
        gone.cancel()
        one.leave()
        weights.gate.set()
        stays.result(PATIENCE_S)


def test_the_end_refuses_those_who_wait() -> None:
    weights = Weights()
    weights.gate.clear()
    one = Sleeper(weights, 0.0)
    wait_until(lambda: one.is_asleep, "sleep")
    waits = one.enter()
    ends = threading.Thread(target=one.close)
    ends.start()
    wait_until(lambda: isinstance(one.enter().exception(0), ApiError) if one._is_closed else False, "an end")
    weights.gate.set()
    ends.join(PATIENCE_S)
    assert isinstance(waits.exception(PATIENCE_S), ApiError)
