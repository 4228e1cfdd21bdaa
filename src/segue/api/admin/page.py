"""GET /: a page for people who open the server's address in a browser. It tells where the endpoints are."""

from html import escape

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from segue.serving.errors import NOT_FOUND, ApiError
from segue.serving.service import Service

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Segue</title></head>
<body>
<h1>Segue</h1>
<p>This is a server for programs: point a client of OpenAI's or Anthropic's API at this address.</p>
<ul>
{items}
</ul>
</body>
</html>
"""
_SHOWN = {
    "/health": "whether the model is loaded",
    "/v1/models": "the model",
    "/props": "the server's settings",
    "/slots": "the requests that run",
}


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter()
    prefix = escape(service.settings.api_prefix)
    items = "\n".join(f'<li><a href="{prefix}{path}">{path}</a>: {text}</li>' for path, text in _SHOWN.items())

    @routes.get("/", response_model=None)
    async def page() -> Response:
        """Show a page that tells where the endpoints are."""
        if not service.settings.ui:
            raise ApiError(NOT_FOUND, "The page is switched off; start the server without --no-ui")
        return HTMLResponse(_PAGE.format(items=items))

    return routes
