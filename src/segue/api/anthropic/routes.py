"""POST /v1/messages and /v1/messages/count_tokens."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from segue.api.anthropic.conversion import to_chat
from segue.api.anthropic.requests import MessagesRequest
from segue.api.anthropic.shape import MessagesShape
from segue.api.body import JsonRoute
from segue.api.prompts import encode_chat, from_chat
from segue.api.requests import ChatRequest
from segue.api.respond import respond
from segue.api.service import Service
from segue.api.work import Work, plan
from segue.chat.breakpoints import Wish


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    def convert(request: MessagesRequest) -> tuple[ChatRequest, tuple[Wish, ...]]:
        return to_chat(
            request,
            takes_late_system=service.backend.template.dialect.takes_late_system,
            drops_billing_header=service.settings.drop_billing_header,
        )

    @routes.post("/v1/messages", response_model=None)
    async def messages(http: Request, request: MessagesRequest) -> Response:
        """Continue a conversation, as Anthropic's API does."""

        def prepare() -> tuple[Work, MessagesShape]:
            scope: str = http.state.cache_scope
            asked, wishes = convert(request)
            chat = from_chat(service, asked, scope, wishes)
            shown = service.backend.shown
            work = plan(service, asked, [chat.prompt], scope, n_probs=0, shown=shown, keep=chat.keep)
            n_prompt = len(chat.prompt.tokens)
            n_kept = max((mark.end for mark in chat.prompt.marks.breakpoints), default=0)
            return work, MessagesShape(service.model_name, request, chat.speech, n_prompt, n_kept)

        work, shape = await run_in_threadpool(prepare)
        return await respond(http, service, work, shape, request.sse_ping_interval)

    @routes.post("/v1/messages/count_tokens", response_model=None)
    async def count_tokens(http: Request, request: MessagesRequest) -> Response:
        """Count the tokens that a conversation would have to be read."""

        def count() -> int:
            asked, _ = convert(request)
            return len(encode_chat(service, asked, http.state.cache_scope).prompt.tokens)

        return JSONResponse({"input_tokens": await run_in_threadpool(count)})

    return routes
