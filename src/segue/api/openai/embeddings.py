"""POST /v1/embeddings, and llama-server's own /embeddings and /embedding."""

import base64
from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from segue.api.intake.body import JsonRoute
from segue.api.intake.requests import EmbeddingsRequest
from segue.api.intake.texts import read_texts
from segue.api.replies.embedding import embedded
from segue.api.replies.normalization import NONE, normalized
from segue.api.replies.serialization import JsonObject
from segue.engine.base import Embeddings
from segue.engine.pooling import Pooling
from segue.loop.job import Tokens
from segue.serving.errors import invalid, not_supported
from segue.serving.service import Service

_FORMATS = (None, "float", "base64")


async def embed(service: Service, request: EmbeddingsRequest) -> tuple[list[Tokens], list[Embeddings]]:
    """The texts of a request with their vectors: one each, or without pooling one a token. Raises ApiError."""
    backend = service.backend
    pooling = backend.embeddings.pooling
    if not service.settings.embeddings:
        raise not_supported("This server was started with --no-embeddings")
    if pooling is Pooling.RANK:
        raise not_supported("The model ranks texts and has no embeddings: POST /rerank, or load an embedding model")
    if request.encoding_format not in _FORMATS:
        raise invalid("Field 'encoding_format': it must be float or base64")
    if request.dimensions is not None:
        raise not_supported("Field 'dimensions': it is not supported")
    field = "content" if request.input is None else "input"
    texts = await run_in_threadpool(read_texts, backend, getattr(request, field), field)
    wanted = service.settings.embd_normalize if request.embd_normalize is None else request.embd_normalize
    kind = NONE if pooling is Pooling.NONE else wanted
    return texts, [normalized(rows, kind) for rows in await embedded(backend, texts)]


def openai_json(service: Service, texts: Sequence[Tokens], vectors: Sequence[Embeddings], *, is_base64: bool) -> object:
    """OpenAI's list."""
    data: list[JsonObject] = []
    for i, rows in enumerate(vectors):
        item: JsonObject = {"object": "embedding", "index": i}
        if is_base64:
            item |= {"encoding_format": "base64", "embedding": _base64(rows)}
        else:
            item["embedding"] = rows[0].tolist()
        data.append(item)
    n_tokens = sum(map(len, texts))
    usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
    return {"object": "list", "model": service.model_name, "data": data, "usage": usage}


def native_json(vectors: Sequence[Embeddings]) -> object:
    """llama-server's list, in which every text has a list of vectors."""
    return [{"index": i, "embedding": rows.tolist()} for i, rows in enumerate(vectors)]


def _base64(rows: Embeddings) -> str:
    return base64.b64encode(rows[0].astype(np.dtype("<f4")).tobytes()).decode()


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/embeddings", response_model=None)
    async def embeddings(_: Request, request: EmbeddingsRequest) -> Response:
        """Turn texts into vectors, one each."""
        if service.backend.embeddings.pooling is Pooling.NONE:
            raise invalid(
                "Without pooling a text has a vector for each token: POST /embeddings, or start with --pooling"
            )
        texts, vectors = await embed(service, request)
        if request.input is None:
            return JSONResponse(native_json(vectors))
        is_base64 = request.encoding_format == "base64"
        return JSONResponse(openai_json(service, texts, vectors, is_base64=is_base64))

    @routes.post("/embeddings", response_model=None)
    @routes.post("/embedding", response_model=None)
    async def native_embeddings(_: Request, request: EmbeddingsRequest) -> Response:
        """Turn texts into vectors, in llama-server's format: each text has a list of them."""
        vectors = (await embed(service, request))[1]
        return JSONResponse(native_json(vectors))

    return routes
