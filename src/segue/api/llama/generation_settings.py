"""llama-server's `generation_settings`, and `response_fields`."""

from collections.abc import Iterable, Sequence

from segue.api.intake.requests import GenerationFields
from segue.api.replies.serialization import JsonObject, sampling_json
from segue.engine.sampling import SamplingParams
from segue.loop.job import Job
from segue.serving.backend import ModelVocabulary

_ABSENT = object()
# llama-server shows them; nothing that can be asked for changes them here.
_FIXED: JsonObject = {
    "n_keep": 0,
    "n_discard": 0,
    "grammar_lazy": False,
    "grammar_triggers": [],
    "preserved_tokens": [],
    "chat_format": "Content-only",
    "reasoning_format": "deepseek",
    "reasoning_in_content": False,
    "generation_prompt": "",
    "backend_sampling": False,
    "speculative.types": "none",
    "lora": [],
}


def settings_json(job: Job, request: GenerationFields, stops: Sequence[str], vocabulary: ModelVocabulary) -> JsonObject:
    """`generation_settings`: what a request came to, with the defaults filled in."""
    return _settings(sampling_json(job.sampling, vocabulary), job.n_predict) | {
        "stop": list(stops),
        "stream": bool(request.stream),
        "n_probs": job.n_probs,
        "timings_per_token": bool(request.timings_per_token),
        "post_sampling_probs": job.post_sampling_probs,
        "grammar": request.grammar or "",
    }


def default_settings_json(sampling: SamplingParams, n_predict: int, vocabulary: ModelVocabulary) -> JsonObject:
    """`default_generation_settings`: the settings of a request that sets none."""
    return _settings(sampling_json(sampling, vocabulary), n_predict) | {
        "stop": [],
        "stream": False,
        "n_probs": 0,
        "timings_per_token": False,
        "post_sampling_probs": False,
    }


def _settings(sampling: JsonObject, n_predict: int) -> JsonObject:
    return {**sampling, "max_tokens": n_predict, "n_predict": n_predict, **_FIXED}


def pick(value: JsonObject, paths: Iterable[str]) -> JsonObject:
    """The fields at these paths (`a/b` is field b of a), named by their paths; absent ones are left out."""
    picked: JsonObject = {}
    for path in paths:
        found: object = value
        for key in path.split("/"):
            found = found.get(key, _ABSENT) if isinstance(found, dict) else _ABSENT
        if found is not _ABSENT:
            picked[path] = found
    return picked
