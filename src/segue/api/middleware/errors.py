"""Turns every failure into an error response."""

import asyncio
import logging

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from segue.api.replies.failures import error_response
from segue.loop.end import INTERNAL_ERROR
from segue.serving.errors import (
    AUTHENTICATION,
    INVALID_REQUEST,
    NOT_FOUND,
    NOT_SUPPORTED,
    SERVER,
    UNAVAILABLE,
    ApiError,
    from_job,
    invalid,
)

_BRANCHES = ("str", "bool", "int", "float")
_TYPE_OF_STATUS = {401: AUTHENTICATION, 404: NOT_FOUND, 501: NOT_SUPPORTED, 503: UNAVAILABLE}

log = logging.getLogger(__name__)


class Guard:
    """Middleware: an exception nobody expected becomes a 500 that tells the client nothing of the request.

    The log gets the exception's type and place, not its text, which may quote a prompt. A request cancelled because
    the server stops is answered with 503. A response that has started is cut off. A client that left in the middle of
    its body gets none.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; answer for it if that raises before the response starts."""
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except ClientDisconnect:
            return
        except asyncio.CancelledError:
            answer = ApiError(UNAVAILABLE, "The server is shutting down")
        except Exception as error:
            log.error("%s while answering %s %s", _place(error), scope.get("method"), scope.get("path"))
            answer = from_job(INTERNAL_ERROR)
        else:
            return
        if not has_started:
            await error_response(answer, scope["path"])(scope, receive, send)


def _place(error: Exception) -> str:
    """Name an exception's type and the line that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else ""
    return f"{type(error).__name__}{where}"


def _explain(error: RequestValidationError) -> str:
    """Name the first field that is wrong and what is wrong with it; never the value."""
    first, *others = error.errors()
    field = _field(first["loc"])
    messages = [
        str(e["msg"]).removeprefix("Value error, ") for e in (first, *others) if e["loc"][1:2] == first["loc"][1:2]
    ]
    message = ", or: ".join(dict.fromkeys(messages))
    return f"Field '{field}': {message}" if field else message


def _field(location: tuple[int | str, ...]) -> str:
    """Join the path of a field without the names that pydantic gives to the branches of a union."""
    parts = [str(part) for part in location[1:]]
    return ".".join(part for part in parts if part.isdigit() or (part.isidentifier() and part not in _BRANCHES))


def install(app: FastAPI) -> None:
    """Make every error of `app` an error body."""

    @app.exception_handler(ApiError)
    async def _api_error(request: Request, error: ApiError) -> Response:
        return error_response(error, request.scope["path"])

    @app.exception_handler(RequestValidationError)
    async def _validation(request: Request, error: RequestValidationError) -> Response:
        return error_response(invalid(_explain(error)), request.scope["path"])

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        type_ = _TYPE_OF_STATUS.get(error.status_code, INVALID_REQUEST if error.status_code < 500 else SERVER)
        message = f"{error.detail}: {request.method} {request.scope['path']}"
        response = error_response(ApiError(type_, message, status=error.status_code), request.scope["path"])
        response.headers.update(error.headers or {})
        return response
