"""POST /tokenize, /detokenize and /apply-template: these do not run the model."""

import numpy as np
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from segue.api.intake.body import JsonRoute
from segue.api.intake.chat import render_chat
from segue.api.intake.prompts import ids_to_tokens, mixed_tokens
from segue.api.intake.requests import ChatRequest, DetokenizeRequest, TokenizeRequest
from segue.api.llama.completion import detokenize
from segue.api.replies.serialization import JsonObject, encode
from segue.chat.vocabulary import Tokens, TokenVocabulary
from segue.serving.service import Service

_N_AT_ONCE = 10_000
"""Encoding holds the interpreter: millions of tokens in one go would stop everybody else for seconds."""


def _with_piece(vocabulary: TokenVocabulary, token: int) -> JsonObject:
    piece = vocabulary.piece(token)
    try:
        return {"id": token, "piece": piece.decode("utf-8")}
    except UnicodeDecodeError:
        return {"id": token, "piece": list(piece)}


def _tokens_json(vocabulary: TokenVocabulary, tokens: Tokens, *, with_pieces: bool) -> bytes:
    """The tokens as the whole answer."""
    known = {int(token): encode(_with_piece(vocabulary, int(token))) for token in np.unique(tokens) if with_pieces}
    parts = [b'{"tokens":[']
    for start in range(0, len(tokens), _N_AT_ONCE):
        some = tokens[start : start + _N_AT_ONCE].tolist()
        listed = b",".join([known[token] for token in some]) if with_pieces else encode(some)[1:-1]
        parts += [b"," if start else b"", listed]
    return b"".join([*parts, b"]}"])


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(route_class=JsonRoute)

    @routes.post("/tokenize", response_model=None)
    def tokenize(request: TokenizeRequest) -> Response:
        """Turn text into tokens."""
        backend = service.backend
        tokens = mixed_tokens(
            backend,
            [] if request.content is None else request.content,
            add_special=bool(request.add_special),
            parse_special=request.parse_special is not False,
        )
        told = _tokens_json(backend.vocabulary, tokens, with_pieces=bool(request.with_pieces))
        return Response(told, media_type="application/json")

    @routes.post("/detokenize", response_model=None)
    def to_text(request: DetokenizeRequest) -> Response:
        """Turn tokens into text."""
        vocabulary = service.backend.vocabulary
        return JSONResponse({"content": detokenize(vocabulary, ids_to_tokens(vocabulary, request.tokens or []))})

    @routes.post("/apply-template", response_model=None)
    def apply_template(http: Request, request: ChatRequest) -> Response:
        """Show the prompt that messages make."""
        return JSONResponse({"prompt": render_chat(service, request, http.state.namespace)})

    return routes
