"""llama-server's `generation_settings`, and `response_fields`."""

from collections.abc import Iterable, Sequence

from segue.api.intake.requests import GenerationFields
from segue.api.replies.serialization import JsonObject, sampling_json
from segue.loop.job import Job
from segue.serving.backend import ModelVocabulary

_ABSENT = object()
# llama-server shows them; nothing that can be asked for changes them here.
_ABSENT_HERE: JsonObject = {
    "n_keep": 0,
    "n_discard": 0,
    "grammar_lazy": False,
    "grammar_triggers": [],
    "preserved_tokens": [],
    "backend_sampling": False,
    "speculative.types": "none",
    "lora": [],
}


def settings_json(job: Job, request: GenerationFields, stops: Sequence[str], vocabulary: ModelVocabulary) -> JsonObject:
    """`generation_settings`: what a request came to, with the defaults filled in."""
    return sampling_json(job.sampling, vocabulary) | {
        "stop": list(stops),
        "max_tokens": job.n_predict,
        "n_predict": job.n_predict,
        "stream": bool(request.stream),
        "n_probs": job.n_probs,
        "timings_per_token": bool(request.timings_per_token),
        "post_sampling_probs": job.post_sampling_probs,
        "grammar": request.grammar or "",
        **_ABSENT_HERE,
    }


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
