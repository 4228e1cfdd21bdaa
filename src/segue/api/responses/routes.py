"""POST /v1/responses, and access to stored responses."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from segue.api.intake.body import JsonRoute
from segue.api.intake.chat import encode_chat, prepare_chat
from segue.api.intake.plan import make_chat_plan
from segue.api.intake.requests import ChatRequest
from segue.api.replies.respond import respond
from segue.api.replies.serialization import JsonObject, counted_json
from segue.api.responses.messages import messages_of
from segue.api.responses.request import ResponsesRequest
from segue.api.responses.response_format import ResponsesFormat, refusal
from segue.api.responses.store import ResponseStore
from segue.api.responses.tools import Toolbox, read_tools
from segue.serving.errors import NOT_FOUND, ApiError, invalid
from segue.serving.events import FinishedReply
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service


def router(service: Service) -> APIRouter:
    """The routes, and the store that they share."""
    store = ResponseStore(service.settings.response_store << 20)
    posts = APIRouter(route_class=JsonRoute)

    def convert(owner: str, request: ResponsesRequest) -> tuple[list[dict[str, Any]], Toolbox, ChatRequest]:
        """The items of a request, its tools, and the chat that both make with the former responses."""
        before = _history(store, owner, request.previous_response_id)
        inputs = list(_resolved(store, owner, request.items))
        toolbox = read_tools(request.tools or ())
        messages = messages_of(
            [*before, *inputs],
            request.instructions,
            takes_late_system=service.backend.chat.template.dialect.takes_late_system,
            n_before=len(before),
        )
        return inputs, toolbox, request.chat(messages, toolbox)

    @posts.post("/v1/responses", response_model=None)
    @posts.post("/responses", response_model=None)
    async def create_response(http: Request, request: ResponsesRequest) -> Response:
        """Answer a conversation given as items, or as the continuation of a former response."""
        owner: str = http.state.owner

        def prepare() -> tuple[GenerationPlan, ResponsesFormat]:
            inputs, toolbox, chat = convert(owner, request)
            namespace: str = http.state.namespace
            asked = prepare_chat(service, chat, namespace)
            plan = make_chat_plan(service, chat, asked, namespace, n_probs=0)

            def keep(response: JsonObject) -> None:
                if response["store"]:
                    store.add(owner, response, inputs)

            response_format = ResponsesFormat(service, request, toolbox, asked.reply_format, keep)

            def keep_and_count(reply: FinishedReply) -> None:
                plan.keep(reply)
                response_format.count(reply)

            return replace(plan, keep=keep_and_count), response_format

        try:
            plan, response_format = await run_in_threadpool(prepare)
            return await respond(http, service, plan, response_format, request.sse_ping_interval)
        except ApiError as error:
            # Codex learns only from the events of a stream, not from a status, that the context is exceeded.
            if not (request.stream and error.failure.openai_code):
                raise
            return Response(refusal(service, request, error.failure), media_type="text/event-stream")

    @posts.post("/v1/responses/input_tokens", response_model=None)
    @posts.post("/responses/input_tokens", response_model=None)
    async def input_tokens(http: Request, request: ResponsesRequest) -> Response:
        """Count the prompt tokens of a conversation, given as items, without running the model."""

        def count() -> int:
            _, _, chat = convert(http.state.owner, request)
            return len(encode_chat(service, chat, http.state.namespace).prompt.tokens)

        return JSONResponse(counted_json(await run_in_threadpool(count)))

    routes = APIRouter()
    routes.include_router(posts)

    @routes.get("/v1/responses/{response_id}", response_model=None)
    @routes.get("/responses/{response_id}", response_model=None)
    def get_response(http: Request, response_id: str) -> Response:
        """Show a former response."""
        response = store.get(http.state.owner, response_id)
        if response is None:
            raise _not_found(response_id)
        return JSONResponse(response)

    @routes.delete("/v1/responses/{response_id}", response_model=None)
    @routes.delete("/responses/{response_id}", response_model=None)
    def delete_response(http: Request, response_id: str) -> Response:
        """Forget a former response."""
        if not store.delete(http.state.owner, response_id):
            raise _not_found(response_id)
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    return routes


def _history(store: ResponseStore, owner: str, response_id: str | None) -> list[dict[str, Any]]:
    if response_id is None:
        return []
    items = store.history(owner, response_id)
    if items is None:
        raise invalid(f"Previous response with id '{response_id}' not found.")
    return items


def _resolved(store: ResponseStore, owner: str, items: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items, with references replaced by what they refer to."""
    for item in items:
        item_id = item.get("id")
        if not (item.get("type") == "item_reference" or ("type" not in item and "role" not in item)):
            yield item
            continue
        found = store.item(owner, item_id) if isinstance(item_id, str) else None
        if found is None:
            message = f"Item with id '{item_id}' not found. Items are not persisted when `store` is set to false."
            raise ApiError(NOT_FOUND, message)
        yield found


def _not_found(response_id: str) -> ApiError:
    return ApiError(NOT_FOUND, f"Response with id '{response_id}' not found.")
