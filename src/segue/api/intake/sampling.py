"""A request's sampling fields, under llama-server's names, applied to the server's defaults."""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from segue.api.intake.fields import (
    FLOAT32_MAX,
    INT32_MAX,
    Count,
    CountOrAll,
    Flag,
    Fraction,
    Int,
    NotNegative,
    Number,
    Text,
    Words,
    between,
)
from segue.chat.vocabulary import TokenVocabulary
from segue.engine.sampling import SAMPLERS, SamplingParams, wrapped_seed
from segue.serving.errors import invalid

MAX_SAMPLERS = 64
MAX_BIASED_CHARS = 512
MAX_BIAS = 1e38
_LETTERS = {
    "e": "penalties",
    "d": "dry",
    "s": "top_n_sigma",
    "k": "top_k",
    "y": "typ_p",
    "p": "top_p",
    "m": "min_p",
    "x": "xtc",
    "t": "temperature",
    "i": "infill",
    "a": "adaptive_p",
}
_KNOWN = (*SAMPLERS, "infill", "adaptive_p")
_NAMES = {"nucleus": "top_p", "temp": "temperature", "typ": "typ_p"}
for _name in _KNOWN:
    _NAMES |= {_name: _name, _name.replace("_", "-"): _name, _name.replace("_", ""): _name}


def _known_samplers(value: str | list[str]) -> tuple[str, ...]:
    """The chain of a request; samplers of other servers and older versions are passed over, as in llama-server."""
    return sampler_names(value)[0]


def sampler_names(value: str | Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read a chain of samplers: names in any of llama.cpp's spellings, or one string of its letters, or names with `;`.

    Returns the known ones, and the unknown ones as they were written. Raises ValueError for a chain without end.
    """
    if isinstance(value, str):
        table, parts = (
            (_NAMES, value.split(";")) if ";" in value or value.lower() in _NAMES else (_LETTERS, list(value))
        )
    else:
        table, parts = _NAMES, list(value)
    names = tuple(table[part.lower()] for part in parts if part.lower() in table)
    if len(names) > MAX_SAMPLERS:
        raise ValueError(f"a chain has {MAX_SAMPLERS} samplers at most")
    return names, tuple(part for part in parts if part.lower() not in table)


class SamplingFields(BaseModel):
    """The sampling fields of a request; each overrides the server's default."""

    seed: Int | None = None
    temperature: NotNegative | None = None
    dynatemp_range: Number | None = None
    dynatemp_exponent: Number | None = None
    top_k: Annotated[Int, between(0, INT32_MAX)] | None = None
    top_p: Fraction | None = None
    min_p: Fraction | None = None
    top_n_sigma: Number | None = None
    xtc_probability: Fraction | None = None
    xtc_threshold: Fraction | None = None
    typical_p: NotNegative | None = None
    repeat_last_n: CountOrAll | None = None
    repeat_penalty: Number | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    dry_multiplier: NotNegative | None = None
    dry_base: Number | None = None
    dry_allowed_length: Count | None = None
    dry_penalty_last_n: CountOrAll | None = None
    dry_sequence_breakers: Annotated[Words, Field(min_length=1)] | None = None
    mirostat: Annotated[Int, between(0, 2)] | None = None
    mirostat_tau: NotNegative | None = None
    mirostat_eta: NotNegative | None = None
    adaptive_target: Annotated[Number, between(-FLOAT32_MAX, 1.0)] | None = None
    adaptive_decay: Annotated[Number, Field(ge=0, le=0.99)] | None = None
    min_keep: Count | None = None
    ignore_eos: Flag | None = None
    logit_bias: dict[str, Any] | list[Any] | None = None
    samplers: Annotated[Text | Words, AfterValidator(_known_samplers)] | None = None

    def sampling(self, defaults: SamplingParams, vocabulary: TokenVocabulary) -> SamplingParams:
        """Lay these fields over `defaults`. Raises ApiError for a bias of a text that is too long."""
        given: dict[str, Any] = {
            name: value for name in SamplingFields.model_fields if (value := getattr(self, name)) is not None
        }
        if "seed" in given:
            given["seed"] = wrapped_seed(given["seed"])
        if given.get("dry_base", 1.0) < 1.0:
            del given["dry_base"]
        if given.get("repeat_penalty", 1.0) <= 0.0:
            # Nothing can be divided by it; clients mean "none".
            given["repeat_penalty"] = 1.0
        if "dry_sequence_breakers" in given:
            given["dry_sequence_breakers"] = tuple(given["dry_sequence_breakers"])
        if "logit_bias" in given:
            given["logit_bias"] = tuple(_biases(given["logit_bias"], vocabulary))
        return dataclasses.replace(defaults, **given)


def _biases(value: Mapping[str, object] | list[object], vocabulary: TokenVocabulary) -> Iterator[tuple[int, float]]:
    """The biases of tokens. What names no token of this vocabulary is passed over, as in llama-server."""
    for item in value.items() if isinstance(value, Mapping) else value:
        if not isinstance(item, (list, tuple)) or len(item) != 2:
            continue
        key, raw = item
        bias = -math.inf if raw is False else raw
        if isinstance(bias, bool) or not isinstance(bias, (int, float)):
            continue
        for token in _tokens(key, vocabulary):
            yield token, float(min(max(bias, -MAX_BIAS), MAX_BIAS)) if raw is not False else -math.inf


def _tokens(key: object, vocabulary: TokenVocabulary) -> list[int]:
    if isinstance(key, str) and len(key) > MAX_BIASED_CHARS:
        raise invalid(f"Field 'logit_bias': a text has {MAX_BIASED_CHARS} characters at most")
    if isinstance(key, str) and not key.strip().removeprefix("-").isdecimal():
        return [int(token) for token in vocabulary.tokenize(key, add_special=False, parse_special=True)]
    if isinstance(key, bool) or not isinstance(key, (int, str)) or (isinstance(key, str) and len(key) > 20):
        return []
    token = int(key)
    return [token] if 0 <= token < vocabulary.n_tokens else []
