"""The application: all routes, and the middleware before them."""

from fastapi import FastAPI

from segue import __version__
from segue.api.admin import metrics, page, predict, slots, status, streams
from segue.api.anthropic import routes as anthropic
from segue.api.llama import completion, infill, rerank, text
from segue.api.middleware.auth import Auth
from segue.api.middleware.cors import Cors
from segue.api.middleware.errors import Guard, install
from segue.api.middleware.gate import Gate
from segue.api.middleware.prefix import Prefix
from segue.api.middleware.resumable import Resumable
from segue.api.middleware.timeouts import Timeouts
from segue.api.middleware.vertex import VertexPaths
from segue.api.middleware.wake import Wake
from segue.api.openai import chat, completions, embeddings
from segue.api.replies.kept_streams import KeptStreams
from segue.api.responses import routes as responses
from segue.serving.service import Service
from segue.settings.vertex import VertexSettings


def create_app(service: Service) -> FastAPI:
    """Make the application. It serves at once, and answers 503 until the service is ready."""
    app = FastAPI(title="Segue", version=__version__, redirect_slashes=False, docs_url=None, redoc_url=None)
    install(app)
    modules = (
        chat,
        completions,
        responses,
        anthropic,
        completion,
        infill,
        embeddings,
        rerank,
        text,
        slots,
        status,
        metrics,
        page,
    )
    for module in modules:
        app.include_router(module.router(service))
    settings, vertex = service.settings, VertexSettings()
    if settings.ui_mcp_proxy:
        # httpx, which it needs, would delay every start.
        from segue.api.admin import proxy

        app.include_router(proxy.router())
    if vertex.is_on:
        app.include_router(predict.router(service))
    kept = KeptStreams()
    app.include_router(streams.router(kept))
    # The last one added hears a request first.
    app.add_middleware(Resumable, streams=kept)
    if settings.timeout:
        app.add_middleware(Timeouts, seconds=settings.timeout)
    if settings.sleep_idle_seconds > 0:
        app.add_middleware(Wake, service=service)
    app.add_middleware(Auth, keys=service.keys)
    app.add_middleware(Gate, service=service)
    app.add_middleware(Guard)
    app.add_middleware(Cors, settings=settings)
    if vertex.is_on:
        app.add_middleware(VertexPaths, vertex=vertex)
    if settings.api_prefix:
        app.add_middleware(Prefix, prefix=settings.api_prefix)
    return app
