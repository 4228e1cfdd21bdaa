"""Answers cross-origin requests as llama-server does."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segue.settings import Settings


class Cors:
    """Middleware: tells browsers which pages may call, and answers every OPTIONS request itself."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add headers to the response."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        asked = Headers(scope=scope)
        headers = self._headers(asked.get("origin"))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Starlette's own headers would lose their capitals, by which some clients know them.
                written = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
                message["headers"] = [*message.get("headers", ()), *written]
            await send(message)

        if scope["method"] == "OPTIONS":
            headers["Access-Control-Allow-Methods"] = self._settings.cors_methods
            headers["Access-Control-Allow-Headers"] = self._allowed_headers(asked)
            return await Response("", media_type="text/html")(scope, receive, send_with_headers)
        return await self._app(scope, receive, send_with_headers)

    def _allowed_headers(self, asked: Headers) -> str:
        """The headers that a page may send: those that it asks for, where all are allowed.

        A `*` does not cover `Authorization`, and nothing at all for a page that sends credentials.
        """
        allowed = self._settings.cors_headers
        return asked.get("access-control-request-headers", allowed) if allowed == "*" else allowed

    def _headers(self, origin: str | None) -> dict[str, str]:
        headers = {"Access-Control-Allow-Credentials": "true" if self._settings.cors_credentials else "false"}
        allowed = self._settings.allowed_origins
        if allowed == "*" and not self._settings.cors_credentials:
            headers["Access-Control-Allow-Origin"] = "*"
        elif origin is not None and self._is_allowed(origin):
            headers |= {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}
        return headers

    def _is_allowed(self, origin: str) -> bool:
        allowed = self._settings.allowed_origins
        if allowed == "localhost":
            return _host(origin) in ("localhost", "127.0.0.1", "::1")
        return allowed == "*" or origin in (item.strip() for item in allowed.split(","))


def _host(origin: str) -> str | None:
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None
