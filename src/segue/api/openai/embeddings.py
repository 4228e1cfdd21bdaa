"""POST /v1/embeddings."""

import asyncio
import base64
import logging
from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from segue.api.intake.body import JsonRoute
from segue.api.intake.prompts import ids_to_tokens
from segue.api.intake.requests import EmbeddingsRequest
from segue.engine.base import Vector
from segue.engine.errors import EngineError, ModelError
from segue.loop.job import Tokens
from segue.serving.backend import Backend
from segue.serving.errors import SERVER, UNAVAILABLE, ApiError, invalid, not_supported
from segue.serving.service import Service

log = logging.getLogger(__name__)

_MAX_TEXTS = 2048
_FORMATS = (None, "float", "base64")


def read_texts(backend: Backend, given: object) -> list[Tokens]:
    """The texts of `input`: a text, token ids, or a list of such. Slow on long ones. Raises ApiError."""
    texts = given if isinstance(given, list) and not any(type(item) is int for item in given) else [given]
    if not 0 < len(texts) <= _MAX_TEXTS:
        raise invalid(f"Field 'input': it must have 1 to {_MAX_TEXTS} texts")
    return [_read_text(backend, text, i) for i, text in enumerate(texts)]


def _read_text(backend: Backend, text: object, i: int) -> Tokens:
    vocabulary, n_most = backend.vocabulary, backend.embeddings.n_tokens
    if isinstance(text, str):
        tokens = backend.tokenizer.plain(text, add_special=True, parse_special=True)
    elif isinstance(text, list) and all(type(item) is int for item in text):
        tokens = ids_to_tokens(vocabulary, text)
    else:
        raise invalid("Field 'input': it must be a text, a list of token ids, or a list of such")
    if len(tokens) == 0:
        raise invalid(f"Field 'input.{i}': it has no tokens")
    if len(tokens) > n_most:
        message = f"Text {i} has {len(tokens)} tokens, and {n_most} can be embedded; see --ubatch-size and --ctx-size"
        details = {"n_prompt_tokens": len(tokens), "n_ctx": n_most}
        raise ApiError("exceed_context_size_error", message, details=details)
    return tokens


async def _embedded(backend: Backend, texts: Sequence[Tokens]) -> list[Vector]:
    try:
        futures = [backend.embeddings.embed(tokens) for tokens in texts]
        return await asyncio.gather(*map(asyncio.wrap_future, futures))
    except RuntimeError as error:
        raise ApiError(UNAVAILABLE, "The server is shutting down") from error
    except ModelError as error:
        raise ApiError(SERVER, f"The texts could not be embedded: {error}") from error
    except EngineError as error:
        log.warning("texts could not be embedded: %s", error)
        raise ApiError(SERVER, "The texts could not be embedded; the server's log says why") from error


def _written(vector: Vector, encoding: str | None) -> str | list[float]:
    if encoding == "base64":
        return base64.b64encode(vector.astype(np.dtype("<f4")).tobytes()).decode()
    values: list[float] = vector.tolist()
    return values


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/v1/embeddings", response_model=None)
    async def embeddings(_: Request, request: EmbeddingsRequest) -> Response:
        """Turn texts into vectors of length 1."""
        if not service.settings.embeddings:
            raise not_supported("This server was started with --no-embeddings")
        if request.encoding_format not in _FORMATS:
            raise invalid("Field 'encoding_format': it must be float or base64")
        if request.dimensions is not None:
            raise not_supported("Field 'dimensions': it is not supported")
        backend = service.backend
        texts = await run_in_threadpool(read_texts, backend, request.input)
        vectors = await _embedded(backend, texts)
        data = [
            {"object": "embedding", "index": i, "embedding": _written(vector, request.encoding_format)}
            for i, vector in enumerate(vectors)
        ]
        n_tokens = sum(map(len, texts))
        usage = {"prompt_tokens": n_tokens, "total_tokens": n_tokens}
        return JSONResponse({"object": "list", "model": service.model_name, "data": data, "usage": usage})

    return routes
