"""POST /rerank and its aliases."""

from collections.abc import Iterator
from typing import Any

import pytest

from segue.engine.pooling import Pooling
from tests.kit.byte_vocabulary import BOS, EOS
from tests.kit.live import Live, live

MARKS = BOS + EOS + EOS
QUERY = ord("q")


@pytest.fixture
def ranking() -> Iterator[Live]:
    """A reranker whose score is the sum of a pair's tokens."""
    with live() as running:
        running.embeddings.pooling = Pooling.RANK
        yield running


def score(document: str) -> int:
    return MARKS + QUERY + sum(document.encode())


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/reranking", "/v1/reranking"])
def test_documents_come_best_first(ranking: Live, path: str) -> None:
    body = ranking.post(path, query="q", documents=["b", "d", "a"], model="m").json()
    assert [result["index"] for result in body["results"]] == [1, 0, 2]
    assert [result["relevance_score"] for result in body["results"]] == [score("d"), score("b"), score("a")]
    assert (body["object"], body["model"], body["usage"]["prompt_tokens"]) == ("list", "fake.gguf", 15)


def test_the_format_of_tei(ranking: Live) -> None:
    assert ranking.post("/rerank", query="q", texts=["b", "d"]).json() == [
        {"index": 1, "score": score("d")},
        {"index": 0, "score": score("b")},
    ]
    body = ranking.post("/rerank", query="q", texts=["b", "d"], return_text=True, top_n=1).json()
    assert body == [{"index": 1, "score": score("d"), "text": "d"}]


@pytest.mark.parametrize(("top_n", "n_results"), [(None, 3), (0, 0), (2, 2), (9, 3)])
def test_the_best_few(ranking: Live, top_n: int | None, n_results: int) -> None:
    body = ranking.post("/rerank", query="q", documents=["b", "d", "a"], top_n=top_n).json()
    assert len(body["results"]) == n_results


def test_a_template_of_the_model(ranking: Live) -> None:
    """What looks like a mark of the template in a query or a document is text."""
    ranking.service.backend.model.meta["tokenizer.chat_template.rerank"] = "{query}|{document}"  # type: ignore[index]
    body = ranking.post("/rerank", query="{document}", documents=["{query}"]).json()
    assert body["usage"]["prompt_tokens"] == len("{document}|{query}")


@pytest.mark.parametrize(
    "fields",
    [
        {"documents": []},
        {"documents": None},
        {"documents": 123},
        {"documents": [1, 2]},
        {"documents": ["a"], "query": None},
        {"documents": ["a"], "top_n": -1},
        {"documents": ["a", "x" * 64]},
    ],
)
def test_what_is_refused(ranking: Live, fields: dict[str, Any]) -> None:
    response = ranking.post("/rerank", **{"query": "q", **fields})
    assert (response.status_code, "error" in response.json()) == (400, True)


def test_a_model_that_does_not_rank() -> None:
    with live() as running:
        response = running.post("/rerank", query="q", documents=["a"])
    assert (response.status_code, response.json()["error"]["type"]) == (501, "not_supported_error")
