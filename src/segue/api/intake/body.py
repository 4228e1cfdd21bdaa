"""Parses request bodies: strict JSON, whatever the content type says."""

import json
import math
import re
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive

from segue.serving.errors import ApiError, invalid

MAX_BODY_BYTES = 256 << 20
MAX_DEPTH = 500
"""Far from where the interpreter stops, which depends on how deep the call is: a value must survive all of its way."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class JsonRoute(APIRoute):
    """A route whose body is a strict JSON object. curl's default content type works, as it does with llama-server."""

    takes_none: ClassVar[bool] = False
    """Whether a request may come without a body; its handler sees None then."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the handler so that it sees a body that was read strictly."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            headers = [item for item in request.scope["headers"] if item[0] != b"content-type"]
            scope = {**request.scope, "headers": [*headers, (b"content-type", b"application/json")]}
            strict = _StrictRequest(scope, _bounded(request.receive))
            raw = await strict.body()
            if raw or not self.takes_none:
                strict.value = parse(raw)
            return await handle(strict)

        return handle_strictly


class _StrictRequest(Request):
    value: object = None

    async def json(self) -> Any:
        return self.value


def parse(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object. Raises ApiError, also for what would break later: NaN, deep nesting.

    Half of a surrogate pair, which clients in JavaScript send where they cut a text within a character, becomes U+FFFD.
    """
    try:
        text = raw.decode("utf-8")
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if _SURROGATE.search(text):
            value = json.loads(_without_halves(json.dumps(value, ensure_ascii=False)))
    except UnicodeError as error:
        raise invalid("The body is not valid UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise invalid(f"The body is not valid JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise invalid("The body is not valid JSON: nested too deeply") from error
    except ValueError as error:
        raise invalid("The body is not valid JSON: a number is out of range") from error
    if not isinstance(value, dict):
        raise invalid("The body must be a JSON object")
    if text.count("[") + text.count("{") > MAX_DEPTH and _is_deep(value):
        raise invalid(f"The body is nested too deeply: more than {MAX_DEPTH} levels")
    return value


def _without_halves(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _is_deep(value: object) -> bool:
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        items = (inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer))
        level = [inner for inner in items if isinstance(inner, dict | list)]
    return bool(level)


def _finite(text: str) -> float:
    """A number; what is larger than all others could not be written as JSON again."""
    value = float(text)
    if math.isinf(value):
        raise ValueError
    return value


def _refuse_constant(name: str) -> object:
    raise invalid(f"The body is not valid JSON: {name} is not a JSON value")


def _bounded(receive: Receive) -> Receive:
    n_bytes = 0

    async def receive_bounded() -> Message:
        nonlocal n_bytes
        message = await receive()
        n_bytes += len(message.get("body", b""))
        if n_bytes > MAX_BODY_BYTES:
            raise ApiError("invalid_request_error", f"The body exceeds the limit of {MAX_BODY_BYTES} bytes", status=413)
        return message

    return receive_bounded
