"""JSON parts that several APIs share, in llama-server's format."""

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence

from pydantic_core import PydanticSerializationError, to_json

from segue import __version__
from segue.chat.vocabulary import TokenVocabulary
from segue.engine.sampling import SamplingParams
from segue.loop.end import JobEnd
from segue.loop.events import Progress, Timings, TokenOut
from segue.serving.backend import ModelVocabulary
from segue.serving.events import FinishedReply

JsonObject = dict[str, object]

FINGERPRINT = f"b0-segue-{__version__}"
"""As llama.cpp's, which is `b`, a build number, and the commit."""
FLOAT32_MAX = 3.4028234663852886e38
"""The largest number that clients with 32-bit floats can read."""


def encode(value: object) -> bytes:
    """JSON without spaces."""
    try:
        return to_json(value, inf_nan_mode="null")
    except PydanticSerializationError:
        # Four times as slow, but it takes what a client has nested more deeply.
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def event_bytes(value: JsonObject, *, is_named: bool) -> bytes:
    """An object as a server-sent event; its name, if it has one, is the object's `type`."""
    name = b"event: %b\n" % str(value["type"]).encode() if is_named else b""
    return b"%bdata: %b\n\n" % (name, encode(value))


def timings_json(timings: Timings) -> JsonObject:
    """`timings`, with the rates that follow from the counts; 0 where nothing was done."""
    told: JsonObject = {
        "cache_n": timings.cache_n,
        "prompt_n": timings.prompt_n,
        "prompt_ms": timings.prompt_ms,
        "prompt_per_token_ms": timings.prompt_per_token_ms,
        "prompt_per_second": timings.prompt_per_second,
        "predicted_n": timings.predicted_n,
        "predicted_ms": timings.predicted_ms,
        "predicted_per_token_ms": timings.predicted_per_token_ms,
        "predicted_per_second": timings.predicted_per_second,
    }
    if timings.draft_n:
        told |= {"draft_n": timings.draft_n, "draft_n_accepted": timings.draft_n_accepted}
    return told


def progress_json(progress: Progress, *, with_timings: bool | None) -> JsonObject:
    """`prompt_progress`, and the `timings` so far if they are wanted."""
    told: JsonObject = {
        "prompt_progress": {
            "total": progress.n_total,
            "cache": progress.n_cached,
            "processed": progress.n_processed,
            "time_ms": progress.time_ms,
        }
    }
    if with_timings and progress.timings is not None:
        told["timings"] = timings_json(progress.timings)
    return told


def prompt_tokens(reply: FinishedReply) -> int:
    """The length of a reply's prompt; a reply that was preempted may have read some of it twice."""
    return reply.end.report.n_prompt if reply.end.report is not None else 0


def usage_json(replies: Sequence[FinishedReply], n_choices: int) -> JsonObject:
    """`usage` of a request; a prompt with several choices counts once."""
    n_prompt = n_cached = 0
    for reply in sorted(replies, key=lambda reply: reply.index)[::n_choices]:
        n_cached += reply.end.timings.cache_n
        n_prompt += prompt_tokens(reply)
    n_predicted = sum(reply.end.timings.predicted_n for reply in replies)
    return {
        "completion_tokens": n_predicted,
        "prompt_tokens": n_prompt,
        "total_tokens": n_prompt + n_predicted,
        "prompt_tokens_details": {"cached_tokens": n_cached},
    }


def counted_json(n_tokens: int) -> JsonObject:
    """The number of tokens in a prompt that is not run."""
    return {"object": "response.input_tokens", "input_tokens": n_tokens}


def cache_json(job_id: int, end: JobEnd) -> JsonObject | None:
    """`cache`: what became of the prompt's tokens; None for a job that never started."""
    return None if end.report is None else {"id": job_id, **dataclasses.asdict(end.report)}


def account_json(reply: FinishedReply) -> JsonObject:
    """The fields of a reply's last object that say what the reply cost."""
    return {"timings": timings_json(reply.end.timings), "cache": cache_json(reply.job_id, reply.end)}


def probabilities_json(
    tokens: Iterable[TokenOut], vocabulary: TokenVocabulary, *, n_top: int, is_probability: bool = False
) -> list[JsonObject]:
    """One object a token, with its `n_top` best rivals: `logprob` and `top_logprobs`, or `prob` and `top_probs`."""
    name, rivals = ("prob", "top_probs") if is_probability else ("logprob", "top_logprobs")

    def one(token: int, logprob: float) -> JsonObject:
        piece = vocabulary.piece(token)
        value = math.exp(logprob) if is_probability else max(logprob, -FLOAT32_MAX)
        return {"id": token, "token": piece.decode("utf-8", "ignore"), "bytes": list(piece), name: value}

    return [
        {
            **one(token.token, -math.inf if token.logprob is None else token.logprob),
            rivals: [one(candidate.token, candidate.logprob) for candidate in token.top[:n_top]],
        }
        for token in tokens
    ]


def sampling_json(sampling: SamplingParams, vocabulary: ModelVocabulary) -> JsonObject:
    """The sampling part of `generation_settings`; `ignore_eos` shows in `logit_bias` too, as in llama-server."""
    fields: JsonObject = {name: getattr(sampling, name) for name in SamplingParams.__slots__}
    ends = sorted(vocabulary.eog_tokens) if sampling.ignore_eos else []
    given = [*sampling.logit_bias, *((token, -math.inf) for token in ends)]
    biases = [{"bias": None if math.isinf(bias) else bias, "token": token} for token, bias in given]
    return fields | {"seed": sampling.seed % 2**32, "logit_bias": biases}
