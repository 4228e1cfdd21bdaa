"""Serves Vertex AI's health checks and predictions at the paths that it names."""

from starlette.types import ASGIApp, Receive, Scope, Send

from segue.settings.vertex import VertexSettings


class VertexPaths:
    """Middleware: changes the paths that Vertex AI calls to those of the endpoints behind them."""

    def __init__(self, app: ASGIApp, vertex: VertexSettings) -> None:
        self._app = app
        self._paths = {vertex.health_route: "/health", vertex.predict_route: "/predict"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            scope = {**scope, "path": self._paths.get(scope["path"], scope["path"])}
        await self._app(scope, receive, send)
