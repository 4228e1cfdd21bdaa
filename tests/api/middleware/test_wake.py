"""Which requests wake a model that sleeps."""

import threading

import pytest

from segue.serving.sleeper import Sleeper
from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live
from tests.kit.waiting import wait_until
from tests.serving.test_sleeper import Weights, sleeper

CHAT = {"messages": [{"role": "user", "content": "x"}]}


def _asleep(running: Live, weights: Weights) -> Sleeper:
    one = running.service.sleeper
    assert one is not None
    wait_until(lambda: one.is_asleep and weights.calls, "sleep")
    return one


def test_looking_wakes_nothing() -> None:
    weights = Weights()
    with live(sleep_idle_seconds=1, metrics=True) as running, sleeper(weights) as running.service.sleeper:
        _asleep(running, weights)
        n_calls = len(weights.calls)
        for path in ("/health", "/v1/models", "/props", "/metrics", "/slots", "/", "/lora-adapters"):
            assert running.http.get(path).status_code == 200
        assert running.http.get("/props").json()["is_sleeping"] is True
        assert len(weights.calls) == n_calls


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT),
        ("/completion", {"prompt": "x"}),
        ("/v1/messages", {**CHAT, "max_tokens": 4}),
        ("/v1/responses", {"input": "x"}),
        ("/v1/messages/count_tokens", CHAT),
        ("/v1/responses/input_tokens", {"input": "x"}),
        ("/tokenize", {"content": "x"}),
        ("/v1/embeddings", {"input": "x"}),
    ],
)
def test_asking_wakes(path: str, body: dict[str, object]) -> None:
    weights = Weights()
    with live(sleep_idle_seconds=1) as running, sleeper(weights) as running.service.sleeper:
        _asleep(running, weights)
        n_loads = weights.calls.count("load")
        assert running.post(path, **body).status_code == 200
        assert weights.calls.count("load") > n_loads
        _asleep(running, weights)


def test_a_stream_keeps_the_model_until_it_ends() -> None:
    weights, steps = Weights(), threading.Semaphore(1)
    loop = FakeLoop(steps=steps)
    with live(loop, sleep_idle_seconds=1) as running, sleeper(weights) as running.service.sleeper:
        one = _asleep(running, weights)

        def look() -> None:
            for _ in range(5):
                assert running.post("/tokenize", content="x").status_code == 200
                assert running.http.get("/props").json()["is_sleeping"] is False
            assert not one.is_asleep
            steps.release(20)

        running.lines("/completion", prompt="x", on_first=look)
        _asleep(running, weights)


def test_a_caller_without_a_key_wakes_nothing() -> None:
    weights = Weights()
    with live(sleep_idle_seconds=1, api_key=["k"]) as running, sleeper(weights) as running.service.sleeper:
        _asleep(running, weights)
        n_calls = len(weights.calls)
        assert running.post("/completion", prompt="x").status_code == 401
        assert len(weights.calls) == n_calls


def test_a_model_that_cannot_be_loaded_again_is_a_503_in_the_words_of_each_api() -> None:
    weights = Weights()
    with live(sleep_idle_seconds=1) as running, sleeper(weights) as running.service.sleeper:
        for path, status in (("/v1/chat/completions", 503), ("/v1/messages", 529)):
            _asleep(running, weights)
            weights.failures = [RuntimeError("secret")]
            response = running.post(path, **CHAT, max_tokens=4)
            assert response.status_code == status
            assert response.json()["error"]["message"] == "The model could not be loaded again"
