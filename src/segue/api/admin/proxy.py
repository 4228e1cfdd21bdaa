"""GET and POST /cors-proxy: fetches what a web page may not, such as the answers of an MCP server."""

from collections.abc import AsyncIterator

import httpx
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from segue.serving.errors import SERVER, ApiError, invalid

_PREFIX = "x-llama-server-proxy-header-"
_PASSED_BACK = ("content-type", "content-encoding", "content-length", "cache-control", "mcp-session-id")
_SILENCE_S = 600.0


def router() -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/cors-proxy", response_model=None)
    @routes.post("/cors-proxy", response_model=None)
    async def proxy(http: Request, url: str = "") -> Response:
        """Send the request on to `url`, with nothing of its headers but those after `x-llama-server-proxy-header-`."""
        return await _passed_on(http, _target(url))

    return routes


def _target(url: str) -> httpx.URL:
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise invalid("Query 'url' is not a URL") from error
    if target.scheme not in ("http", "https") or not target.host or target.userinfo:
        raise invalid("Query 'url' must begin with http:// or https:// and a host, without a user or password")
    return target


async def _passed_on(http: Request, target: httpx.URL) -> Response:
    """The target's response, as it comes."""
    headers = {name.removeprefix(_PREFIX): value for name, value in http.headers.items() if name.startswith(_PREFIX)}
    headers.pop("", None)
    # Nothing of this machine's own: no proxy of its environment, no password of its .netrc.
    client = httpx.AsyncClient(timeout=httpx.Timeout(_SILENCE_S), trust_env=False)
    try:
        request = client.build_request(http.method, target, headers=headers, content=await http.body())
        response = await client.send(request, stream=True)
    except BaseException as error:
        await client.aclose()
        if isinstance(error, httpx.HTTPError):
            raise ApiError(SERVER, f"The target did not answer: {type(error).__name__}", status=502) from error
        raise
    passed = {name: value for name, value in response.headers.items() if name in _PASSED_BACK}
    return StreamingResponse(_pieces(client, response), status_code=response.status_code, headers=passed)


async def _pieces(client: httpx.AsyncClient, response: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it comes, still encoded."""
    try:
        async for piece in response.aiter_raw():
            yield piece
    finally:
        await response.aclose()
        await client.aclose()
