"""POST /v1/embeddings."""

import base64
from typing import Any

import numpy as np
import openai
import pytest

from segue.engine.errors import EngineError, ModelError
from tests.kit.byte_vocabulary import BOS
from tests.kit.live import Live, live

PATH = "/v1/embeddings"


@pytest.mark.parametrize(
    ("given", "vectors"),
    [
        ("a", [[2, BOS + 97]]),
        (["a", "b"], [[2, BOS + 97], [2, BOS + 98]]),
        ([1, 2, 3], [[3, 6]]),
        ([[1, 2], "a"], [[2, 3], [2, BOS + 97]]),
        ("", [[1, BOS]]),
    ],
)
def test_texts_and_token_ids(server: Live, given: object, vectors: list[list[float]]) -> None:
    body = server.post(PATH, input=given, model="m", user="u").json()
    assert (body["object"], body["model"]) == ("list", "fake.gguf")
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", i) for i in range(len(vectors))]
    assert [item["embedding"] for item in body["data"]] == vectors
    n_tokens = sum(int(vector[0]) for vector in vectors)
    assert body["usage"] == {"prompt_tokens": n_tokens, "total_tokens": n_tokens}


def test_base64(server: Live) -> None:
    embedding = server.post(PATH, input=[1, 2], encoding_format="base64").json()["data"][0]["embedding"]
    assert np.frombuffer(base64.b64decode(embedding), "<f4").tolist() == [2, 3]


def test_the_client_of_openai(server: Live) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client:
        reply = client.embeddings.create(model="m", input=["a"])
    assert reply.data[0].embedding == [2, BOS + 97]


@pytest.mark.parametrize(
    ("fields", "status", "part"),
    [
        ({}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": 3}, 400, "input"),
        ({"input": [None]}, 400, "input"),
        ({"input": [1, "a"]}, 400, "input"),
        ({"input": [[]]}, 400, "input.0"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": [1, 260]}, 400, "ids"),
        ({"input": [[1], [True]]}, 400, "input"),
        ({"input": "a", "encoding_format": "int8"}, 400, "encoding_format"),
        ({"input": "a", "dimensions": 2}, 501, "dimensions"),
        ({"input": ["a", "x" * 64]}, 400, "Text 1 has 65 tokens, and 64"),
    ],
)
def test_what_is_refused(server: Live, fields: dict[str, Any], status: int, part: str) -> None:
    response = server.post(PATH, **fields)
    assert response.status_code == status
    assert part in response.json()["error"]["message"]


def test_what_can_go_wrong(caplog: pytest.LogCaptureFixture) -> None:
    with live() as running:
        running.embeddings.failure = ModelError("the model ranks texts")
        error = running.post(PATH, input="a").json()["error"]
        assert (error["code"], error["message"]) == (500, "The texts could not be embedded: the model ranks texts")
        running.embeddings.failure = EngineError("it fails at /srv/libllama/ggml.c:7")
        error = running.post(PATH, input="a").json()["error"]
        assert (error["code"], error["type"]) == (500, "server_error")
        assert "/srv" not in error["message"]
        assert "/srv/libllama/ggml.c:7" in caplog.text
        running.embeddings.is_closed = True
        assert running.post(PATH, input="a").status_code == 503
    with live(embeddings=False) as running:
        assert running.post(PATH, input="a").status_code == 501
