"""Embeds the texts of a request, and turns failures into errors for the client."""

import asyncio
import logging
from collections.abc import Sequence

from segue.engine.base import Embeddings
from segue.engine.errors import EngineError, ModelError
from segue.loop.job import Tokens
from segue.serving.backend import Backend
from segue.serving.errors import SERVER, UNAVAILABLE, ApiError

log = logging.getLogger(__name__)


async def embedded(backend: Backend, texts: Sequence[Tokens]) -> list[Embeddings]:
    """The vectors of each text. Raises ApiError."""
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
