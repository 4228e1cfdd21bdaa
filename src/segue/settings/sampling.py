"""Sampling for requests that do not set it themselves."""

import re
from typing import Annotated, Any

from cyclopts import Group
from pydantic import BeforeValidator, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from segue.engine.sampling import SAMPLERS, SamplingParams, wrapped_seed
from segue.settings.fields import INT32_MAX, SettingsGroup, Switch, Texts, env, flag, own

_SAMPLING = Group("Defaults that a request may override", sort_key=7)
_MOST_BIAS = 1e38
_NOT_SAMPLING = ("n_predict", "samplers", "escape", "reverse_prompt", "special")
_ESCAPE = re.compile(rb"""\\(x[0-9a-fA-F]{2}|[ntr\\"'])""")
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


def _biases(value: object) -> object:
    """From TOKEN+BIAS or TOKEN-BIAS to pairs."""
    parts = [value] if isinstance(value, str) else value
    if not isinstance(parts, (list, tuple)):
        return value
    return [_bias(part) if isinstance(part, str) else part for part in parts]


def _bias(text: str) -> tuple[int, float]:
    for sign, factor in (("+", 1.0), ("-", -1.0)):
        token, found, bias = text.partition(sign)
        # Beyond the range of 32 bits, libllama would compute with infinity.
        if found and token.strip().isdecimal() and float(bias) * factor <= _MOST_BIAS:
            return int(token), factor * float(bias)
    raise ValueError(f"{text!r} is neither TOKEN+BIAS nor TOKEN-BIAS, such as 15043+1")


class SamplingSettings(SettingsGroup):
    """Sampling for requests that do not set it themselves. Values out of range are taken as llama-server takes them."""

    n_predict: Annotated[int, flag(_SAMPLING, "--n-predict", "--predict", "-n")] = env(
        "LLAMA_ARG_N_PREDICT", -1, "Most tokens to generate; -1 generates until the context is full."
    )
    seed: Annotated[int, flag(_SAMPLING, "--seed", "-s")] = own(-1, "Seed; -1 means a random one.")
    temperature: Annotated[float, flag(_SAMPLING, "--temp", "--temperature")] = env(
        "LLAMA_ARG_TEMPERATURE", 0.8, "Temperature; 0 is greedy.", allow_inf_nan=False
    )
    top_k: Annotated[int, flag(_SAMPLING, "--top-k")] = env(
        "LLAMA_ARG_TOP_K", 40, "Number of likeliest tokens to keep; 0 keeps all.", le=INT32_MAX
    )
    top_p: Annotated[float, flag(_SAMPLING, "--top-p")] = env(
        "LLAMA_ARG_TOP_P", 0.95, "Keep the likeliest tokens whose probabilities reach this sum.", allow_inf_nan=False
    )
    min_p: Annotated[float, flag(_SAMPLING, "--min-p")] = env(
        "LLAMA_ARG_MIN_P", 0.05, "Least probability of a token, relative to the likeliest one.", allow_inf_nan=False
    )
    top_n_sigma: Annotated[float, flag(_SAMPLING, "--top-n-sigma", "--top-nsigma")] = own(
        -1.0, "Keep tokens within so many standard deviations of the largest logit; -1 keeps all.", allow_inf_nan=False
    )
    typical_p: Annotated[float, flag(_SAMPLING, "--typical", "--typical-p")] = own(
        1.0, "Keep locally typical tokens whose probabilities reach this sum; 1 keeps all.", ge=0, allow_inf_nan=False
    )
    xtc_probability: Annotated[float, flag(_SAMPLING, "--xtc-probability")] = own(
        0.0, "How often XTC removes the likeliest tokens; 0 means never.", ge=0, le=1
    )
    xtc_threshold: Annotated[float, flag(_SAMPLING, "--xtc-threshold")] = own(
        0.1, "Least probability of the tokens that XTC considers; above 0.5 it does nothing.", ge=0, le=1
    )
    repeat_last_n: Annotated[int, flag(_SAMPLING, "--repeat-last-n")] = own(
        64, "How many tokens penalties look back.", ge=-1, le=INT32_MAX
    )
    repeat_penalty: Annotated[float, flag(_SAMPLING, "--repeat-penalty")] = env(
        "LLAMA_ARG_REPEAT_PENALTY", 1.0, "Penalty on repeated tokens; 1 means none.", gt=0, allow_inf_nan=False
    )
    presence_penalty: Annotated[float, flag(_SAMPLING, "--presence-penalty")] = env(
        "LLAMA_ARG_PRESENCE_PENALTY", 0.0, "Penalty on tokens that occurred; 0 means none.", allow_inf_nan=False
    )
    frequency_penalty: Annotated[float, flag(_SAMPLING, "--frequency-penalty")] = env(
        "LLAMA_ARG_FREQUENCY_PENALTY",
        0.0,
        "Penalty on tokens for each occurrence; 0 means none.",
        allow_inf_nan=False,
    )
    escape: Annotated[Switch, flag(_SAMPLING, "--escape", "-e", negative="--no-escape")] = own(
        True, r"Take \n, \t and the like in --reverse-prompt and --dry-sequence-breaker for what they mean."
    )
    dry_multiplier: Annotated[float, flag(_SAMPLING, "--dry-multiplier")] = own(
        0.0, "Strength of DRY, which penalises repeated sequences; 0 means none.", ge=0, allow_inf_nan=False
    )
    dry_base: Annotated[float, flag(_SAMPLING, "--dry-base")] = own(
        1.75, "How much faster than linearly DRY grows with a sequence; below 1 it stays 1.75.", allow_inf_nan=False
    )
    dry_allowed_length: Annotated[int, flag(_SAMPLING, "--dry-allowed-length")] = own(
        2, "Longest sequence that DRY lets be repeated.", ge=0, le=INT32_MAX
    )
    dry_penalty_last_n: Annotated[int, flag(_SAMPLING, "--dry-penalty-last-n")] = own(
        -1, "How many tokens DRY looks back; -1 means all.", ge=-1, le=INT32_MAX
    )
    dry_sequence_breakers: Annotated[Texts, flag(_SAMPLING, "--dry-sequence-breaker", is_empty=True)] = own(
        ["\n", ":", '"', "*"], "Text that ends a sequence for DRY; may be repeated, and none means no such text."
    )
    dynatemp_range: Annotated[float, flag(_SAMPLING, "--dynatemp-range")] = own(
        0.0, "How far the temperature follows the entropy, to both sides; 0 means not.", allow_inf_nan=False
    )
    dynatemp_exponent: Annotated[float, flag(_SAMPLING, "--dynatemp-exp")] = own(
        1.0, "Exponent of the entropy in that.", allow_inf_nan=False
    )
    mirostat: Annotated[int, flag(_SAMPLING, "--mirostat")] = own(
        0, "Mirostat 1 or 2 in place of most samplers; 0 means neither.", ge=0, le=2
    )
    mirostat_eta: Annotated[float, flag(_SAMPLING, "--mirostat-lr")] = own(
        0.1, "Mirostat's learning rate.", ge=0, allow_inf_nan=False
    )
    mirostat_tau: Annotated[float, flag(_SAMPLING, "--mirostat-ent")] = own(
        5.0, "Mirostat's target of surprise.", ge=0, allow_inf_nan=False
    )
    adaptive_target: Annotated[float, flag(_SAMPLING, "--adaptive-target")] = own(
        -1.0, "Probability near which adaptive_p selects; below 0 means none.", le=1, allow_inf_nan=False
    )
    adaptive_decay: Annotated[float, flag(_SAMPLING, "--adaptive-decay")] = own(
        0.9, "How slowly adaptive_p follows.", ge=0, le=0.99
    )
    ignore_eos: Annotated[Switch, flag(_SAMPLING, "--ignore-eos")] = own(False, "Generate past the end of the reply.")
    logit_bias: Annotated[
        list[tuple[int, float]],
        NoDecode,
        BeforeValidator(_biases),
        flag(_SAMPLING, "--logit-bias", "-l", is_empty=True),
    ] = own([], "Bias of a token, as TOKEN+BIAS or TOKEN-BIAS; may be repeated.")
    reverse_prompt: Annotated[Texts, flag(_SAMPLING, "--reverse-prompt", "-r", is_empty=True)] = own(
        [], "Text that ends a reply; may be repeated."
    )
    special: Annotated[Switch, flag(_SAMPLING, "--special", "-sp")] = own(
        False, "Show control tokens in replies, but for the one that ends them."
    )
    samplers: Annotated[str, flag(_SAMPLING, "--samplers", "--sampler-seq", "--sampling-seq")] = own(
        ";".join(SAMPLERS), "The chain of samplers: names, separated by semicolons, or llama.cpp's letters for them."
    )

    @field_validator("n_predict")
    @classmethod
    def _unlimited(cls, value: int) -> int:
        return max(-1, value)

    @field_validator("seed")
    @classmethod
    def _wrap(cls, value: int) -> int:
        return wrapped_seed(value)

    @field_validator("temperature", "top_k", "top_p", "min_p")
    @classmethod
    def _raise_to_zero(cls, value: float) -> float:
        return max(0, value)

    @field_validator("top_p", "min_p")
    @classmethod
    def _lower_to_one(cls, value: float) -> float:
        return min(1, value)

    @field_validator("dry_base")
    @classmethod
    def _keep_base(cls, value: float) -> float:
        return value if value >= 1 else 1.75

    @field_validator("dry_sequence_breakers")
    @classmethod
    def _take_none(cls, value: list[str]) -> list[str]:
        return [] if "none" in value else value

    @field_validator("dry_sequence_breakers", "reverse_prompt")
    @classmethod
    def _unescape(cls, value: list[str], info: ValidationInfo) -> list[str]:
        return [_unescaped(text) for text in value] if info.data.get("escape", True) else value

    def sampling(self) -> SamplingParams:
        """The sampling of requests that set none."""
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name in SamplingSettings.model_fields
            if name not in _NOT_SAMPLING
            for value in [getattr(self, name)]
        }
        return SamplingParams(**fields, samplers=tuple(name for name in self.samplers.split(";") if name))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(_meant, text.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")


def _meant(escape: re.Match[bytes]) -> bytes:
    letter = escape[1]
    return bytes.fromhex(letter[1:].decode()) if letter[:1] == b"x" else _ESCAPED.get(letter, letter)
