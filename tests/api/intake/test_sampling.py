"""Sampling fields of a request."""

import dataclasses
import math
from typing import Any

import pytest
from pydantic import ValidationError

from segue.api.intake.sampling import SamplingFields, sampler_names
from segue.engine.sampling import SAMPLERS, SamplingParams
from segue.serving.errors import ApiError
from tests.kit.byte_vocabulary import ByteVocabulary

DEFAULTS = SamplingParams(temperature=0.3, seed=11)


def sampling(**fields: Any) -> SamplingParams:
    return SamplingFields(**fields).sampling(DEFAULTS, ByteVocabulary())


def test_every_parameter_has_a_field() -> None:
    assert set(SamplingFields.model_fields) == {field.name for field in dataclasses.fields(SamplingParams)}


def test_absent_fields_and_nulls_leave_the_defaults() -> None:
    assert sampling() == DEFAULTS
    assert sampling(**dict.fromkeys(SamplingFields.model_fields)) == DEFAULTS


def test_given_fields_override() -> None:
    assert sampling(temperature=1, top_k=5, mirostat=2, dry_sequence_breakers=["x"]) == dataclasses.replace(
        DEFAULTS, temperature=1.0, top_k=5, mirostat=2, dry_sequence_breakers=("x",)
    )


@pytest.mark.parametrize(
    ("seed", "expected"), [(0, 0), (-1, -1), (2**32 - 1, -1), (2**32 + 5, 5), (-2, 2**32 - 2), (7.0, 7)]
)
def test_seeds_wrap_to_32_bits(seed: float, expected: int) -> None:
    assert sampling(seed=seed).seed == expected


@pytest.mark.parametrize(
    ("name", "value", "taken"),
    [
        ("top_k", -1, 0),
        ("top_k", -5, 0),
        ("top_k", 1.5, 1),
        ("top_k", 2**31, 2**31 - 1),
        ("temperature", -0.1, 0.0),
        ("top_p", 1.1, 1.0),
        ("min_p", -0.1, 0.0),
        ("xtc_probability", 2, 1.0),
        ("typical_p", -1, 0.0),
        ("repeat_penalty", 0, 1.0),
        ("repeat_penalty", -1, 1.0),
        ("mirostat", 3, 2),
        ("adaptive_target", 2, 1.0),
        ("dry_multiplier", -1, 0.0),
        ("dry_base", 0.5, DEFAULTS.dry_base),
        ("samplers", ["top_k", "tfs_z", "temperature"], ("top_k", "temperature")),
        ("samplers", "kq", ("top_k",)),
    ],
)
def test_what_llama_server_quietly_mends(name: str, value: Any, taken: object) -> None:
    assert getattr(sampling(**{name: value}), name) == taken


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["top_k", "temperature"], ("top_k", "temperature")),
        (["Top-K", "nucleus", "temp", "typ", "minp"], ("top_k", "top_p", "temperature", "typ_p", "min_p")),
        ("edskypmxt", SAMPLERS),
        ("kt", ("top_k", "temperature")),
        ("top_k;temperature", ("top_k", "temperature")),
        ("temperature", ("temperature",)),
        ([], ()),
    ],
)
def test_samplers_have_many_spellings(value: str | list[str], expected: tuple[str, ...]) -> None:
    assert sampler_names(value) == (expected, ())
    assert sampling(samplers=value).samplers == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([[97, -100]], ((97, -100.0),)),
        ([[97, False]], ((97, -math.inf),)),
        ([["ab", 2.5]], ((97, 2.5), (98, 2.5))),
        ({"97": 1, "b": -1}, ((97, 1.0), (98, -1.0))),
        ([[97, -1e300]], ((97, -1e38),)),
        ([[97, -(10**400)]], ((97, -1e38),)),
        ([[97, 1e300]], ((97, 1e38),)),
        ([[97, 10**400]], ((97, 1e38),)),
        ([["--5", 1]], ((45, 1.0), (45, 1.0), (53, 1.0))),
        ([], ()),
        ({}, ()),
    ],
)
def test_logit_bias_in_both_forms(value: Any, expected: tuple[tuple[int, float], ...]) -> None:
    assert sampling(logit_bias=value).logit_bias == expected


@pytest.mark.parametrize(
    "value",
    [
        *([97], [[97]], [[97, True]], [[97, "x"]], [[260, 1]], [[-1, 1]], [[None, 1]]),
        *({"-1": 1}, {"9" * 99: 1}, {"50256": -100}),
    ],
)
def test_a_bias_of_no_token_is_passed_over(value: Any) -> None:
    assert sampling(logit_bias=value) == DEFAULTS


@pytest.mark.parametrize("value", [{"a" * 513: 1}, [["<s>" * 171, 1]]])
def test_the_text_of_a_bias_has_a_limit(value: Any) -> None:
    with pytest.raises(ApiError, match="logit_bias"):
        sampling(logit_bias=value)


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": "1"},
        {"temperature": True},
        {"temperature": math.inf},
        {"temperature": math.nan},
        {"temperature": 1e39},
        {"adaptive_decay": 1},
        {"dry_sequence_breakers": []},
        {"dry_sequence_breakers": [1]},
        {"ignore_eos": 1},
        {"samplers": 3},
        {"logit_bias": "x"},
        {"min_keep": -1},
    ],
)
def test_values_out_of_range(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SamplingFields(**fields)
