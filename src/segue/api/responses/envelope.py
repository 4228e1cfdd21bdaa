"""The response object, before and after the model has replied."""

import time

from segue.api.replies.serialization import JsonObject, prompt_tokens
from segue.api.responses.items import new_id
from segue.api.responses.request import ResponsesRequest
from segue.serving.events import FinishedReply
from segue.serving.service import Service


def response_envelope(service: Service, request: ResponsesRequest) -> JsonObject:
    """A new response in progress, with the request's settings and the defaults of those that it left out."""
    sampling, reasoning, text = service.sampling, request.reasoning, request.text
    effort = (reasoning.effort if reasoning is not None else None) or request.reasoning_effort
    asked = reasoning and (reasoning.summary or reasoning.generate_summary)
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": None,
        "metadata": request.metadata or {},
        "model": service.model_name,
        "output": [],
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": effort, "summary": asked or None},
        "safety_identifier": request.safety_identifier,
        "service_tier": "default",
        "store": request.store is not False and service.settings.response_store > 0,
        "temperature": sampling.temperature if request.temperature is None else request.temperature,
        "text": {
            "format": (text and text.format) or {"type": "text"},
            "verbosity": (text and text.verbosity) or "medium",
        },
        "tool_choice": request.tool_choice or "auto",
        "tools": request.tools or [],
        "top_logprobs": 0,
        "top_p": sampling.top_p if request.top_p is None else request.top_p,
        "truncation": "disabled",
        "usage": None,
        "user": request.user,
    }


def output_text(items: list[JsonObject]) -> str:
    """All text of the output's messages."""
    texts: list[str] = []
    for item in items:
        content = item["content"] if item["type"] == "message" else []
        assert isinstance(content, list), "content is a list of parts"
        texts += [part["text"] for part in content]
    return "".join(texts)


def usage_of(reply: FinishedReply, n_reasoning: int) -> JsonObject:
    """`usage`; of the generated tokens so many were reasoning."""
    timings, n_input = reply.end.timings, prompt_tokens(reply)
    return {
        "input_tokens": n_input,
        "input_tokens_details": {"cached_tokens": timings.cache_n},
        "output_tokens": timings.predicted_n,
        "output_tokens_details": {"reasoning_tokens": min(n_reasoning, timings.predicted_n)},
        "total_tokens": n_input + timings.predicted_n,
    }
