"""POST /v1/embeddings, /embeddings and /embedding."""

import base64
from typing import Any

import numpy as np
import openai
import pytest

from segue.engine.errors import EngineError, ModelError
from segue.engine.pooling import Pooling
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
        ([1, "a", 3], [[3, 101]]),
        (["a", [1, "a"]], [[2, BOS + 97], [2, 98]]),
        ({"prompt_string": "a"}, [[2, BOS + 97]]),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, [[3, BOS + 97 + 98]]),
        (["a", {"prompt_string": "b"}], [[2, BOS + 97], [2, BOS + 98]]),
    ],
)
def test_texts_and_token_ids(server: Live, given: object, vectors: list[list[float]]) -> None:
    body = server.post(PATH, input=given, model="m", user="u", embd_normalize=-1).json()
    assert (body["object"], body["model"]) == ("list", "fake.gguf")
    assert [(item["object"], item["index"]) for item in body["data"]] == [("embedding", i) for i in range(len(vectors))]
    assert [item["embedding"] for item in body["data"]] == vectors
    n_tokens = sum(int(vector[0]) for vector in vectors)
    assert body["usage"] == {"prompt_tokens": n_tokens, "total_tokens": n_tokens}


def test_base64(server: Live) -> None:
    (item,) = server.post(PATH, input=[1, 2], encoding_format="base64", embd_normalize=-1).json()["data"]
    assert item["encoding_format"] == "base64"
    assert np.frombuffer(base64.b64decode(item["embedding"]), "<f4").tolist() == [2, 3]


def test_the_client_of_openai(server: Live) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="k", max_retries=0) as client:
        reply = client.embeddings.create(model="m", input=[1, 2])
    assert reply.data[0].embedding == pytest.approx(np.array([2, 3]) / 13**0.5)


@pytest.mark.parametrize("path", ["/embeddings", "/embedding", PATH])
def test_the_format_of_llama_server(server: Live, path: str) -> None:
    body = server.post(path, content=["a", [1, 2]], embd_normalize=-1).json()
    assert body == [{"index": 0, "embedding": [[2, BOS + 97]]}, {"index": 1, "embedding": [[2, 3]]}]


def test_a_vector_for_each_token() -> None:
    with live() as running:
        running.embeddings.pooling = Pooling.NONE
        assert running.post("/embeddings", input=[7, 8]).json() == [{"index": 0, "embedding": [[7, 1], [8, 1]]}]
        assert running.post(PATH, input=[7, 8]).status_code == 400


def test_a_reranker_has_no_embeddings() -> None:
    with live() as running:
        running.embeddings.pooling = Pooling.RANK
        response = running.post(PATH, input="a")
    assert (response.status_code, "rerank" in response.json()["error"]["message"]) == (501, True)


@pytest.mark.parametrize(("path", "field"), [(PATH, "input"), ("/embedding", "content")])
def test_an_error_names_the_field_that_was_sent(server: Live, path: str, field: str) -> None:
    assert f"'{field}'" in server.post(path, **{field: [None]}).json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "status", "part"),
    [
        ({}, 400, "content"),
        ({"input": []}, 400, "input"),
        ({"input": 3}, 400, "input"),
        ({"input": [None]}, 400, "input"),
        ({"input": {"content": "a"}}, 400, "input"),
        ({"input": {"content": [{"type": "unknown"}]}}, 400, "input"),
        ({"input": [{"content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}, 400, "image_url"),
        ({"input": {"prompt_string": "a", "multimodal_data": ["x"]}}, 501, "input"),
        ({"input": "a", "embd_normalize": "2"}, 400, "embd_normalize"),
        ({"input": [[]]}, 400, "input.0"),
        ({"input": ["a"] * 2049}, 400, "input"),
        ({"input": [1, 260]}, 400, "ids"),
        ({"input": [[1], [True]]}, 400, "input"),
        ({"input": "a", "encoding_format": "int8"}, 400, "encoding_format"),
        ({"input": "a", "dimensions": 2}, 501, "dimensions"),
        ({"input": ["a", "x" * 64]}, 400, "Text 1 is too large to process: it has 65 tokens, and 64"),
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
