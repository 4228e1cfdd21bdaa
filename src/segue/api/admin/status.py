"""Health, models, properties, slots, and the account of a request's prompt tokens."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from segue.api.llama.generation_settings import default_settings_json
from segue.api.replies.failures import error_response
from segue.api.replies.serialization import FINGERPRINT, JsonObject, sampling_json, timings_json
from segue.loop.front import SlotView
from segue.serving.backend import ModelVocabulary
from segue.serving.errors import (
    INVALID_REQUEST,
    NOT_FOUND,
    NOT_SUPPORTED,
    UNAVAILABLE,
    ApiError,
    invalid,
    not_supported,
)
from segue.serving.service import LoadingPhase, Service

# What a template can do, by what it looks at.
_CAPABLE: Mapping[str, tuple[str, ...]] = {
    "supports_tools": ("tools",),
    "supports_tool_calls": ("tool_calls",),
    "supports_parallel_tool_calls": ("tool_calls",),
    "supports_reasoning_effort": ("reasoning_effort",),
    "supports_preserve_reasoning": (
        "preserve_thinking",
        "clear_thinking",
        "truncate_history_thinking",
        "drop_thinking",
    ),
}
# llama-server has these fields of Ollama's for clients that read them, and as little in them.
_AS_OLLAMA: JsonObject = {
    "type": "model",
    "modified_at": "",
    "size": "",
    "digest": "",
    "description": "",
    "tags": [""],
    "capabilities": ["completion"],
    "parameters": "",
    "details": {
        "parent_model": "",
        "format": "gguf",
        "family": "",
        "families": [""],
        "parameter_size": "",
        "quantization_level": "",
    },
}


def _model(service: Service) -> JsonObject:
    return {
        "id": service.model_name,
        "aliases": service.settings.alias or [service.model_name],
        "tags": service.settings.tags,
        "object": "model",
        "created": service.created,
        # Clients recognise by this word that llama-server's own endpoints are there.
        "owned_by": "llamacpp",
        "architecture": {"input_modalities": ["text"], "output_modalities": ["text"]},
        "meta": _meta(service) if service.phase is LoadingPhase.READY else None,
    }


def _meta(service: Service) -> JsonObject:
    backend = service.backend
    architecture = backend.model.meta.get("general.architecture", "")
    return {
        "n_vocab": backend.vocabulary.n_tokens,
        "n_ctx": backend.loop.n_ctx,
        "n_ctx_train": backend.model.n_ctx_train,
        "n_params": backend.model.n_params,
        "size": backend.model.size_bytes,
        "n_embd": int(backend.model.meta.get(f"{architecture}.embedding_length", 0)),
        "ftype": backend.model.description,
        "description": backend.model.description,
        "architecture": architecture,
    }


def _props(service: Service) -> JsonObject:
    backend, settings = service.backend, service.settings
    template = backend.chat.template
    params = default_settings_json(service.sampling, settings.n_predict, backend.vocabulary)
    return {
        "default_generation_settings": {"params": params, "n_ctx": backend.loop.n_ctx},
        "total_slots": settings.parallel,
        "model_alias": service.model_name,
        "model_path": str(backend.model.path),
        "model_ftype": backend.model.description,
        "media_marker": "",
        "modalities": {"vision": False, "video": False, "audio": False},
        "endpoint_slots": settings.slots,
        "endpoint_props": settings.props,
        "endpoint_metrics": settings.metrics,
        "ui": False,
        "ui_settings": {},
        "cors_proxy_enabled": settings.ui_mcp_proxy,
        "chat_template": template.source,
        "chat_template_caps": {
            "supports_system_role": template.dialect.takes_system,
            "supports_object_arguments": template.dialect.takes_objects,
            "supports_string_content": not template.dialect.takes_parts,
            "supports_typed_content": template.dialect.takes_parts,
            **{name: any(word in template.source for word in words) for name, words in _CAPABLE.items()},
        },
        "bos_token": backend.vocabulary.text(backend.vocabulary.bos),
        "eos_token": backend.vocabulary.text(backend.vocabulary.eos),
        "build_info": FINGERPRINT,
        "is_sleeping": service.is_asleep,
    }


def _slot(slot: SlotView, namespace: str, vocabulary: ModelVocabulary) -> JsonObject:
    """A slot, without anything of a request in another namespace: it would tell what its client has sent before."""
    told: JsonObject = {
        "id": slot.id,
        "n_ctx": slot.n_ctx,
        "speculative": False,
        "is_processing": slot.is_processing,
        "id_task": -1,
        "n_prompt_tokens": 0,
        "n_prompt_tokens_processed": 0,
        "n_prompt_tokens_cache": 0,
        "next_token": [{"has_next_token": slot.is_processing, "n_remain": -1, "n_decoded": 0}],
    }
    if slot.namespace != namespace or slot.sampling is None:
        return told
    return told | {
        "id_task": slot.id_task,
        "n_prompt_tokens": slot.n_prompt_tokens,
        "n_prompt_tokens_processed": slot.n_prompt_tokens_processed,
        "n_prompt_tokens_cache": slot.n_prompt_tokens_cache,
        "params": sampling_json(slot.sampling, vocabulary),
        "next_token": [{"has_next_token": slot.n_remain != 0, "n_remain": slot.n_remain, "n_decoded": slot.n_decoded}],
    }


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.head("/v1/health", response_model=None, include_in_schema=False)
    @routes.head("/health", response_model=None, include_in_schema=False)
    @routes.get("/v1/health", response_model=None)
    @routes.get("/health", response_model=None)
    async def health() -> Response:
        """Say whether the model is loaded; while it loads, how far it is."""
        if service.phase is LoadingPhase.READY:
            return JSONResponse({"status": "ok"})
        return error_response(service.unavailable(progress=round(service.progress, 3)), "/health")

    @routes.head("/", response_model=None)
    async def presence() -> Response:
        """Say that a server is here; Claude Code asks."""
        return Response()

    @routes.get("/v1/models", response_model=None)
    @routes.get("/models", response_model=None)
    async def models() -> Response:
        """Name the one model; `meta` is null while it loads."""
        model = {"name": service.model_name, "model": service.model_name, **_AS_OLLAMA}
        return JSONResponse({"models": [model], "object": "list", "data": [_model(service)]})

    @routes.get("/v1/models/{model_id:path}", response_model=None)
    @routes.get("/models/{model_id:path}", response_model=None)
    async def model(model_id: str) -> Response:
        """Describe the model if it has this name; `meta` is null while it loads."""
        if model_id not in (service.model_name, *service.settings.alias):
            message = f"The model '{model_id}' does not exist; GET /v1/models names the one that does"
            details = {"param": "model"}
            raise ApiError(INVALID_REQUEST, message, status=404, details=details, openai_code="model_not_found")
        return JSONResponse(_model(service))

    @routes.get("/props", response_model=None)
    async def props() -> Response:
        """Show the server's properties."""
        return JSONResponse(_props(service))

    @routes.post("/props", response_model=None)
    async def change_props() -> Response:
        """Change nothing: llama-server has no property that could be changed either."""
        if not service.settings.props:
            raise not_supported("POST /props is switched off; start the server with --props")
        return JSONResponse({"success": True})

    @routes.get("/lora-adapters", response_model=None)
    async def adapters() -> Response:
        """List the adapters: there are none."""
        return JSONResponse([])

    @routes.post("/lora-adapters", response_model=None)
    async def scale_adapters(http: Request) -> Response:
        """Take an empty list, since there are no adapters to scale."""
        try:
            adapters = json.loads(await http.body())
        except (ValueError, RecursionError):
            adapters = None
        if not isinstance(adapters, list):
            raise invalid("The body must be a JSON array of adapters")
        if adapters:
            raise not_supported("Adapters are not supported")
        return JSONResponse({"success": True})

    if not service.settings.ui_mcp_proxy:

        @routes.get("/cors-proxy", response_model=None)
        @routes.post("/cors-proxy", response_model=None)
        async def no_proxy() -> Response:
            """Send the request on to another server; only with `--ui-mcp-proxy`."""
            raise ApiError(NOT_SUPPORTED, "This server fetches nothing without --ui-mcp-proxy", status=403)

    @routes.get("/slots", response_model=None)
    async def slots(http: Request, fail_on_no_slot: str = "") -> Response:
        """Show what each slot does."""
        if not service.settings.slots:
            raise not_supported("GET /slots is switched off; start the server with --slots")
        views = service.backend.loop.slots()
        if fail_on_no_slot and all(view.is_processing for view in views):
            raise ApiError(UNAVAILABLE, "No slot is idle")
        vocabulary = service.backend.vocabulary
        return JSONResponse([_slot(view, http.state.namespace, vocabulary) for view in views])

    @routes.get("/cache/explain/{job_id}", response_model=None)
    async def explain(http: Request, job_id: str) -> Response:
        """Tell what became of a prompt's tokens, for the last 256 requests; `job_id` is `cache.id` of the response."""
        is_id = job_id.isascii() and job_id.isdigit() and len(job_id) < 20
        end = service.reports.get(int(job_id), http.state.namespace) if is_id else None
        if end is None:
            raise ApiError(NOT_FOUND, "No request of this id is remembered")
        return JSONResponse(
            {
                "id": int(job_id),
                "id_slot": end.id_slot,
                "reason": end.reason,
                "timings": timings_json(end.timings),
                "report": None if end.report is None else asdict(end.report),
            }
        )

    return routes
