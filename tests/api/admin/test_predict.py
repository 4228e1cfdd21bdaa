"""POST /predict, as Vertex AI sends it."""

from typing import Any

import pytest

from tests.kit.fake_loop import FakeLoop
from tests.kit.live import Live, live
from tests.kit.waiting import wait_until

CHAT = {"@requestFormat": "chatCompletions", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(autouse=True)
def vertex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_MODE", "PREDICTION")


def predictions(server: Live, *instances: object, path: str = "/predict") -> list[Any]:
    response = server.post(path, instances=instances)
    assert response.status_code == 200, response.text
    found: list[Any] = response.json()["predictions"]
    assert len(found) == len(instances)
    return found


def test_each_instance_gets_what_its_endpoint_says() -> None:
    with live() as server:
        chat, text, raw, tokens = predictions(
            server,
            CHAT | {"stream": True},
            {"@requestFormat": "completions", "prompt": "one", "max_tokens": 2},
            {"@requestFormat": "/completion", "prompt": "one", "n_predict": 2},
            {"@requestFormat": "tokenize", "content": "one"},
        )
    assert chat["choices"][0]["message"]["role"] == "assistant"
    assert text["object"] == "text_completion"
    assert raw["tokens_predicted"] == 2
    assert len(tokens["tokens"]) == 3


def test_one_that_fails_spoils_no_other() -> None:
    with live() as server:
        found = predictions(server, CHAT | {"messages": "none"}, {"@requestFormat": "fly"}, {}, 1, CHAT)
    assert [prediction.get("error", {}).get("code") for prediction in found] == [400, 400, 400, 400, None]


def test_what_is_no_list_of_instances_is_refused() -> None:
    with live() as server:
        bodies: tuple[dict[str, Any], ...] = ({}, {"instances": {}}, {"instances": [CHAT] * 129})
        for body in bodies:
            assert server.http.post("/predict", json=body).status_code == 400


def test_paths_keys_and_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "v1/endpoints/7")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/endpoints/7:predict")
    with live(api_key=["k"], api_prefix="/llm") as server:
        assert server.http.get("/llm/v1/endpoints/7").json() == {"status": "ok"}
        path = "/llm/v1/endpoints/7:predict"
        assert server.post(path, instances=[CHAT]).status_code == 401
        server.http.headers["Authorization"] = "Bearer k"
        (chat,) = predictions(server, CHAT, path=path)
        assert chat["object"] == "chat.completion"


def test_a_client_that_leaves_ends_its_instances() -> None:
    loop = FakeLoop()
    loop.gate.clear()
    with live(loop) as server:
        with pytest.raises(Exception, match="timed out"):
            server.http.post("/predict", json={"instances": [CHAT]}, timeout=0.5)
        wait_until(lambda: len(loop.ends) == 1, "the end of a job whose client has left")
        assert loop.ends[0].reason == "cancelled"


def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIP_MODE")
    with live() as server:
        assert server.post("/predict", instances=[CHAT]).status_code == 404
