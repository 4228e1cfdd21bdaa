"""What a request asks of the loop."""

from typing import Any

import pytest

from tests.kit.live import Live, live

HELLO = [{"role": "user", "content": "Hello"}]
LONG = "Hello " * 10_000


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/chat/completions", {"messages": HELLO}, 501),
        ("/v1/chat/completions", {"messages": HELLO, "stream": True}, 501),
        ("/v1/completions", {"prompt": "Hello"}, 501),
        ("/completion", {"prompt": "Hello", "n_predict": 0}, 501),
        ("/v1/responses", {"input": "Hello"}, 501),
        # Nor is a client told to shorten what would be refused all the same.
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": LONG}]}, 501),
        ("/v1/responses", {"input": LONG}, 501),
        ("/completion", {"prompt": LONG}, 501),
        # As Anthropic's clients take it: they would repeat a 501.
        ("/v1/messages", {"messages": HELLO, "max_tokens": 4}, 400),
    ],
)
def test_a_model_without_logits_generates_nothing(path: str, body: dict[str, Any], status: int) -> None:
    with live(can_generate=False) as running:
        response = running.post(path, **body)
        assert response.status_code == status
        error = response.json()["error"]
        assert error["message"] == "This model has no logits, and cannot generate text; ask it for embeddings instead"
        assert error["type"] == ("not_supported_error" if status == 501 else "invalid_request_error")
        assert not running.loop.jobs
        assert running.post("/v1/embeddings", input="Hello").status_code == 200
        assert running.post("/tokenize", content="Hello").status_code == 200


@pytest.mark.parametrize(("wanted", "taken"), [(None, -1), (-1, -1), (0, 0), (3, 3), (4, 0), (9, 1)])
def test_slots_are_counted_on_from_the_first(server: Live, wanted: int | None, taken: int) -> None:
    server.post("/completion", prompt="a", n_predict=1, id_slot=wanted)
    assert server.loop.jobs[-1].id_slot == taken
