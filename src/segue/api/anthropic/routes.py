"""POST /v1/messages and /v1/messages/count_tokens."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from segue.api.anthropic.conversion import to_chat
from segue.api.anthropic.requests import MessagesRequest
from segue.api.anthropic.response_format import MessagesFormat
from segue.api.intake.body import JsonRoute
from segue.api.intake.chat import encode_chat, prepare_chat
from segue.api.intake.plan import make_chat_plan
from segue.api.intake.requests import ChatRequest
from segue.api.replies.respond import respond
from segue.chat.breakpoints import Wish
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    def convert(request: MessagesRequest) -> tuple[ChatRequest, tuple[Wish, ...]]:
        return to_chat(
            request,
            takes_late_system=service.backend.chat.template.dialect.takes_late_system,
            drops_billing_header=service.settings.drop_billing_header,
            may_think=service.settings.reasoning != "off",
        )

    @routes.post("/v1/messages", response_model=None)
    async def messages(http: Request, request: MessagesRequest) -> Response:
        """Continue a conversation, as Anthropic's API does."""

        def prepare() -> tuple[GenerationPlan, MessagesFormat]:
            namespace: str = http.state.namespace
            asked, wishes = convert(request)
            chat = prepare_chat(service, asked, namespace, wishes)
            plan = make_chat_plan(service, asked, chat, namespace, n_probs=0)
            n_prompt = len(chat.prompt.tokens)
            n_kept = max((mark.end for mark in chat.prompt.marks.breakpoints), default=0)
            return plan, MessagesFormat(
                service.model_name, request, chat.reply_format, n_prompt=n_prompt, n_kept=n_kept
            )

        plan, response_format = await run_in_threadpool(prepare)
        return await respond(http, service, plan, response_format, request.sse_ping_interval)

    @routes.post("/v1/messages/count_tokens", response_model=None)
    async def count_tokens(http: Request, request: MessagesRequest) -> Response:
        """Count the prompt tokens of a conversation without running the model."""

        def count() -> int:
            asked, _ = convert(request)
            return len(encode_chat(service, asked, http.state.namespace).prompt.tokens)

        return JSONResponse({"input_tokens": await run_in_threadpool(count)})

    return routes
