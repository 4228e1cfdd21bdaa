"""POST /rerank: how well documents answer a query."""

from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from segue.api.intake.body import JsonRoute
from segue.api.intake.requests import RerankRequest
from segue.api.intake.texts import check_number, fitting
from segue.api.replies.embedding import embedded
from segue.engine.pooling import Pooling
from segue.loop.job import Tokens
from segue.serving.backend import Backend
from segue.serving.errors import not_supported
from segue.serving.service import Service

_TEMPLATE = "tokenizer.chat_template.rerank"


def pairs(backend: Backend, query: str, documents: Sequence[str]) -> list[Tokens]:
    """The tokens of the query with each document, as the model was trained to read them. Slow on long ones.

    Raises ApiError.
    """
    template = backend.model.meta.get(_TEMPLATE)
    return [
        fitting(backend, _from_template(backend, template, query, document), i, "documents")
        if template
        else fitting(backend, _joined(backend, query, document), i, "documents")
        for i, document in enumerate(documents)
    ]


def _from_template(backend: Backend, template: str, query: str, document: str) -> Tokens:
    """Braces in the query are not placeholders of the template."""
    before, mark, behind = template.partition("{document}")
    text = before.replace("{query}", query) + (document if mark else "") + behind.replace("{query}", query)
    return backend.vocabulary.tokenize(text, add_special=False, parse_special=True)


def _joined(backend: Backend, query: str, document: str) -> Tokens:
    vocabulary = backend.vocabulary
    first, second = (vocabulary.tokenize(text, add_special=False, parse_special=False) for text in (query, document))
    marks = vocabulary.pair
    return np.concatenate([marks.before, first, marks.between, second, marks.behind]).astype(np.int32)


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/reranking", response_model=None)
    @routes.post("/v1/rerank", response_model=None)
    @routes.post("/reranking", response_model=None)
    @routes.post("/rerank", response_model=None)
    async def rerank(_: Request, request: RerankRequest) -> Response:
        """Rank documents by how well they answer a query, best first."""
        backend = service.backend
        if backend.embeddings.pooling is not Pooling.RANK:
            raise not_supported(
                "This model is not served as a reranker: load one, and start the server with --reranking"
            )
        is_tei = request.texts is not None
        documents = request.texts or request.documents or []
        check_number(len(documents), "texts" if is_tei else "documents")
        tokens = await run_in_threadpool(pairs, backend, request.query, documents)
        scores = [float(rows[0, 0]) for rows in await embedded(backend, tokens)]
        best = sorted(range(len(scores)), key=lambda i: -scores[i])[: request.top_n]
        if is_tei:
            texts = [{"text": documents[i]} if request.return_text else {} for i in best]
            return JSONResponse([{"index": i, "score": scores[i], **text} for i, text in zip(best, texts, strict=True)])
        n_tokens = sum(map(len, tokens))
        return JSONResponse(
            {
                "model": service.model_name,
                "object": "list",
                "usage": {"prompt_tokens": n_tokens, "total_tokens": n_tokens},
                "results": [{"index": i, "relevance_score": scores[i]} for i in best],
            }
        )

    return routes
