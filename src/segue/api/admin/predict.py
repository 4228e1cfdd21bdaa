"""POST /predict: Vertex AI's predictions, each of which is a request to another endpoint."""

import asyncio
import json
import re
from collections.abc import Mapping

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message

from segue.api.intake.body import JsonRoute
from segue.api.replies.serialization import JsonObject
from segue.serving.errors import INVALID_REQUEST, invalid
from segue.serving.service import Service

_FORMAT = "@requestFormat"
_MOST_INSTANCES = 128
_KEPT = ("type", "asgi", "http_version", "method", "scheme", "headers", "client", "server", "root_path")
"""What an instance's request has in common with the one that it came in."""


def router(service: Service) -> APIRouter:
    """The route."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/predict", response_model=None)
    async def predict(http: Request, request: JsonObject) -> Response:
        """Answer each instance as the endpoint that its `@requestFormat` names, such as `chatCompletions`."""
        instances = request.get("instances")
        if not isinstance(instances, list):
            raise invalid("Field 'instances' must be an array")
        if len(instances) > _MOST_INSTANCES:
            raise invalid(f"Field 'instances' has more than {_MOST_INSTANCES} items")
        paths, prefix = _paths(http), service.settings.api_prefix
        answers = await asyncio.gather(*(_prediction(http, paths, prefix, instance) for instance in instances))
        return JSONResponse({"predictions": answers})

    return routes


def _paths(http: Request) -> Mapping[str, str]:
    """The endpoints by the names of their requests, and by their paths; OpenAI's come before llama-server's."""
    paths = http.app.openapi()["paths"].items()
    found = {path: path for path, methods in paths if "post" in methods and "{" not in path and path != "/predict"}
    for path in sorted(found, key=lambda path: not path.startswith("/v1/")):
        name = re.sub(r"[/_-]+(.)", lambda match: match[1].upper(), path.removeprefix("/v1").lstrip("/"))
        found.setdefault(name, path)
    return found


async def _prediction(http: Request, paths: Mapping[str, str], prefix: str, instance: object) -> object:
    """The response of an instance's endpoint, which may be an error."""
    if not isinstance(instance, dict) or not isinstance(instance.get(_FORMAT), str):
        return _error(f"each instance must be an object with a string '{_FORMAT}'")
    path = paths.get(instance[_FORMAT])
    if path is None:
        return _error(f"'{_FORMAT}' names no endpoint; chatCompletions is one")
    body = {name: value for name, value in instance.items() if name != _FORMAT}
    if "stream" in body:
        body["stream"] = False
    return await _call(http, prefix + path, json.dumps(body).encode())


async def _call(http: Request, path: str, body: bytes) -> object:
    """The JSON with which the application answers a request for `path`; the client's leaving ends that request too."""
    coming: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    parts: list[bytes] = []

    async def receive() -> Message:
        return coming.pop() if coming else await http.receive()

    async def send(message: Message) -> None:
        parts.append(message.get("body", b""))

    scope = {name: http.scope[name] for name in _KEPT if name in http.scope}
    await http.app({**scope, "path": path, "raw_path": path.encode(), "query_string": b""}, receive, send)
    return json.loads(b"".join(parts) or b"null")


def _error(message: str) -> JsonObject:
    return {"error": {"code": 400, "message": message, "type": INVALID_REQUEST}}
