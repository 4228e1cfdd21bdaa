"""POST /infill: fills a gap in a text."""

from collections.abc import Sequence

import numpy as np
from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from segue.api.intake.body import JsonRoute
from segue.api.intake.constraints import wanted_by
from segue.api.intake.plan import make_plan
from segue.api.intake.prompts import checked
from segue.api.intake.requests import InfillRequest
from segue.api.llama.completion import NativeFormat, detokenize
from segue.api.replies.respond import respond
from segue.chat.tokens.tokenizer import EncodedPrompt
from segue.engine.fim import FimTokens
from segue.loop.job import Tokens
from segue.serving.backend import Backend
from segue.serving.errors import not_supported
from segue.serving.plan import GenerationPlan
from segue.serving.service import Service

_REPOSITORY = "myproject\n"
_FILE = "filename\n"
_SNIPPET = "\n\n--- snippet ---\n\n"
_N_MARKS = 4
"""Tokens around prefix and suffix at most, BOS included."""


def from_infill(
    backend: Backend, request: InfillRequest, n_predict: int, *, begins_with_suffix: bool = False
) -> EncodedPrompt:
    """The prompt of a gap. What does not fit the context beside a reply of `n_predict` tokens (-1: any) is left out.

    Of the surroundings the farthest go first; nothing goes that fits, for a beginning that moves could not be read
    from the cache. Raises ApiError where the vocabulary has no tokens for gaps.
    """
    vocabulary, fim = backend.vocabulary, backend.vocabulary.fim
    if fim is None:
        raise not_supported("Infill is not supported by this model: its vocabulary has no tokens for gaps")
    prefix, suffix, begun = (
        vocabulary.tokenize(text or "", add_special=False, parse_special=False)
        for text in (request.input_prefix, request.input_suffix, request.prompt)
    )
    extra = _extra(backend, request, fim)
    n_ctx = backend.loop.n_ctx
    n_reply = n_ctx // 4 if n_predict < 0 else min(n_predict, n_ctx // 2)
    n_room = max(0, n_ctx - 1 - n_reply - len(begun) - _N_MARKS)
    prefix = prefix[max(0, len(prefix) - max(n_room - len(suffix), n_room * 3 // 4)) :]
    suffix = suffix[: n_room - len(prefix)]
    extra = extra[max(0, len(extra) - (n_room - len(prefix) - len(suffix))) :]
    bos = [vocabulary.bos] if vocabulary.add_bos else []
    before, after = _joined([[fim.prefix], prefix, begun]), _joined([[fim.suffix], suffix])
    parts = [after, before] if begins_with_suffix else [before, after]
    tokens = _joined([extra, bos, *parts, [fim.middle]])
    return checked(EncodedPrompt(tokens), backend)


def _extra(backend: Backend, request: InfillRequest, fim: FimTokens) -> Tokens:
    """Other files, and the beginning of this one."""
    vocabulary = backend.vocabulary

    def text(value: str) -> Tokens:
        return vocabulary.tokenize(value, add_special=False, parse_special=False)

    parts: list[Tokens | list[int]] = []
    if fim.repository >= 0:
        parts += [[fim.repository], text(_REPOSITORY)]
    for chunk in request.input_extra or ():
        parts += [[fim.file], text(f"{chunk.filename or 'tmp'}\n")] if fim.file >= 0 else [text(_SNIPPET)]
        parts.append(text(chunk.text))
    if fim.file >= 0:
        parts += [[fim.file], text(_FILE)]
    return _joined(parts)


def _joined(parts: Sequence[Tokens | list[int]]) -> Tokens:
    return np.concatenate([np.asarray(part, np.int32) for part in ([], *parts)])


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/infill", response_model=None)
    async def infill(http: Request, request: InfillRequest) -> Response:
        """Fill the gap between a prefix and a suffix."""

        def prepare() -> tuple[GenerationPlan, list[str]]:
            backend, settings, namespace = service.backend, service.settings, http.state.namespace
            n_predict = request.limit(settings.n_predict)
            prompt = from_infill(backend, request, n_predict, begins_with_suffix=settings.spm_infill)
            plan = make_plan(
                service,
                request,
                [prompt],
                namespace,
                n_probs=request.n_wanted_probs,
                wanted=wanted_by(request),
            )
            return plan, [detokenize(backend.vocabulary, job.tokens) for job in plan.jobs]

        plan, texts = await run_in_threadpool(prepare)
        return await respond(
            http, service, plan, NativeFormat(service, request, plan, texts), request.sse_ping_interval
        )

    return routes
