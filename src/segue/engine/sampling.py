"""Sampling parameters: llama.cpp's samplers under llama-server's names."""

from dataclasses import dataclass

SAMPLERS = (
    "penalties",
    "dry",
    "top_n_sigma",
    "top_k",
    "typ_p",
    "top_p",
    "min_p",
    "xtc",
    "temperature",
)


RANDOM_SEED = -1


def wrapped_seed(seed: int) -> int:
    """A seed as llama-server takes it: 32 bits of it, of which the largest value means a random one."""
    wrapped = seed % 2**32
    return RANDOM_SEED if wrapped == 2**32 - 1 else wrapped


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingParams:
    """One request's sampling, with llama-server's names, defaults and meanings.

    `seed` -1 draws a random one. `logit_bias` maps tokens to a bias, -inf forbids one. `samplers` is the order of
    the chain. Values are validated when requests arrive, and trusted here.
    """

    seed: int = RANDOM_SEED
    temperature: float = 0.8
    dynatemp_range: float = 0.0
    dynatemp_exponent: float = 1.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    top_n_sigma: float = -1.0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    typical_p: float = 1.0
    repeat_last_n: int = 64
    repeat_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    dry_multiplier: float = 0.0
    dry_base: float = 1.75
    dry_allowed_length: int = 2
    dry_penalty_last_n: int = -1
    dry_sequence_breakers: tuple[str, ...] = ("\n", ":", '"', "*")
    mirostat: int = 0
    mirostat_tau: float = 5.0
    mirostat_eta: float = 0.1
    adaptive_target: float = -1.0
    adaptive_decay: float = 0.9
    min_keep: int = 0
    ignore_eos: bool = False
    logit_bias: tuple[tuple[int, float], ...] = ()
    samplers: tuple[str, ...] = SAMPLERS
