"""A request's chain of llama.cpp samplers."""

import ctypes
import math
import random

import llama_cpp
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from segue.engine.base import NO_TOKEN, Logits, Mask, Sampler, Tokens
from segue.engine.sampling import SamplingParams
from segue.engine.vocabulary import Vocabulary

_N_INFILL_MOST = 256
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Chain(Sampler):
    """The samplers of one request in llama-server's order. Not thread-safe; close it when the reply is done."""

    def __init__(
        self, context: int, vocabulary: Vocabulary, params: SamplingParams, *, n_ctx: int, mask: Mask | None = None
    ) -> None:
        self._context = context
        self._vocabulary = vocabulary
        self._mask = mask
        self._address, self._logits = 0, np.empty(0, np.float32)
        self._forbidden = frozenset(token for token, bias in _biases(vocabulary, params).items() if bias == -math.inf)
        # If a candidate has a probability of 0, the sum that the typical sampler computes is NaN.
        self._needs_positive = params.typical_p < 1 and "typ_p" in params.samplers
        self._handle = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        self._n_look_back = _n_look_back(params, n_ctx)
        for sampler in _samplers(vocabulary, params, n_ctx):
            llama_cpp.llama_sampler_chain_add(self._handle, sampler)

    def remember(self, tokens: Tokens) -> None:
        """Show the chain tokens that it did not draw, as many as its penalties look back."""
        if self._n_look_back:
            for token in tokens[-self._n_look_back :].tolist():
                llama_cpp.llama_sampler_accept(self._handle, token)

    @override
    def sample(self, row: int) -> int:
        if self._mask is None:
            return int(llama_cpp.llama_sampler_sample(self._handle, self._context, row))
        n_vocab = self._vocabulary.n_tokens
        logits = self._row(row)
        choice = self._mask.choice()
        is_short = len(self._forbidden) >= n_vocab - len(choice.ids)
        if not choice.is_rest or self._needs_positive or is_short:
            return self.sample_from(logits)
        # Most tokens are allowed: libllama samples faster from its own row, which is restored afterwards.
        kept = logits[choice.ids]
        logits[choice.ids] = -math.inf
        try:
            token = int(llama_cpp.llama_sampler_sample(self._handle, self._context, row))
        finally:
            logits[choice.ids] = kept
        self._mask.accept(token)
        return token

    @override
    def sample_from(self, logits: Logits) -> int:
        left, selected = self._apply(logits)
        if not len(left):
            return NO_TOKEN
        token = int(left["id"][selected])
        self.accept(token)
        return token

    @override
    def accept(self, token: int) -> None:
        llama_cpp.llama_sampler_accept(self._handle, token)
        if self._mask is not None:
            self._mask.accept(token)

    @override
    def candidates(self, logits: Logits) -> tuple[NDArray[np.int32], Logits]:
        clone = llama_cpp.llama_sampler_clone(self._handle)
        try:
            left, _ = self._apply(logits, clone)
        finally:
            llama_cpp.llama_sampler_free(clone)
        left = left[np.argsort(-left["p"], kind="stable")]
        return left["id"].copy(), left["p"].copy()

    @override
    def close(self) -> None:
        llama_cpp.llama_sampler_free(self._handle)

    def _row(self, row: int) -> Logits:
        """The logits of a row; the array is reused while libllama keeps their address, since creating one is slow."""
        pointer = llama_cpp.llama_get_logits_ith(self._context, row)
        address = ctypes.addressof(pointer.contents)
        if address != self._address:
            self._address, self._logits = address, np.ctypeslib.as_array(pointer, (self._vocabulary.n_tokens,))
        return self._logits

    def _apply(self, logits: Logits, chain: int | None = None) -> tuple[NDArray[np.void], int]:
        """Apply the chain to the allowed tokens; returns the candidates left and the index of the chosen one."""
        table = self._table(logits)
        if len(table) < 2:
            table["p"] = 1.0
            return table, 0
        data = ctypes.cast(table.ctypes.data, llama_cpp.llama_token_data_p)
        array = llama_cpp.llama_token_data_array(data=data, size=len(table), selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(chain or self._handle, ctypes.byref(array))
        # XTC drops the likeliest tokens by moving the start of the array.
        start = (ctypes.addressof(array.data.contents) - table.ctypes.data) // _CANDIDATE.itemsize
        return table[start : start + array.size], int(array.selected)

    def _table(self, logits: Logits) -> NDArray[np.void]:
        """The chain's candidates: the allowed tokens, or the best of them if a bias forbids them all."""
        if self._mask is None:
            table = np.zeros(len(logits), _CANDIDATE)
            table["id"] = np.arange(len(logits), dtype=np.int32)
            table["logit"] = logits
            return table
        ids = self._mask.choice().tokens(len(logits))
        if len(ids) <= len(self._forbidden) and self._forbidden.issuperset(ids.tolist()):
            ids = ids[logits[ids].argsort()[-1:]]
        table = np.empty(len(ids), _CANDIDATE)
        table["id"] = ids
        table["logit"] = logits[ids]
        table["p"] = 0.0
        return table


def _n_look_back(params: SamplingParams, n_ctx: int) -> int:
    spans = [0]
    if _has_penalties(params):
        spans.append(_span(params.repeat_last_n, n_ctx))
    if params.dry_multiplier > 0:
        spans.append(_span(params.dry_penalty_last_n, n_ctx))
    return max(spans)


def _span(last_n: int, n_ctx: int) -> int:
    """The look-back `last_n`, negative for all tokens, capped at `n_ctx`, since libllama allocates memory for each."""
    return n_ctx if last_n < 0 else min(last_n, n_ctx)


def _has_penalties(params: SamplingParams) -> bool:
    return params.repeat_last_n != 0 and (
        params.repeat_penalty != 1.0 or params.presence_penalty != 0.0 or params.frequency_penalty != 0.0
    )


def _samplers(vocabulary: Vocabulary, params: SamplingParams, n_ctx: int) -> list[int]:
    seed = params.seed & 0xFFFFFFFF if params.seed >= 0 else random.getrandbits(32)
    chain = _bias(vocabulary, params)
    if params.mirostat == 1:
        chain.append(llama_cpp.llama_sampler_init_temp(params.temperature))
        tau, eta = params.mirostat_tau, params.mirostat_eta
        chain.append(llama_cpp.llama_sampler_init_mirostat(vocabulary.n_tokens, seed, tau, eta, 100))
        return chain
    if params.mirostat == 2:
        chain.append(llama_cpp.llama_sampler_init_temp(params.temperature))
        chain.append(llama_cpp.llama_sampler_init_mirostat_v2(seed, params.mirostat_tau, params.mirostat_eta))
        return chain
    for name in params.samplers:
        chain += _one(name, vocabulary, params, n_ctx, seed)
    if "adaptive_p" in params.samplers:
        chain.append(llama_cpp.llama_sampler_init_adaptive_p(params.adaptive_target, params.adaptive_decay, seed))
    elif params.temperature <= 0 and "temperature" in params.samplers:
        chain.append(llama_cpp.llama_sampler_init_greedy())
    else:
        chain.append(llama_cpp.llama_sampler_init_dist(seed))
    return chain


def _one(name: str, vocabulary: Vocabulary, params: SamplingParams, n_ctx: int, seed: int) -> list[int]:
    """The sampler of that name, or nothing if its values disable it."""
    p = params
    keeps_best_only = p.temperature <= 0 and p.xtc_probability <= 0 and "temperature" in p.samplers
    if name == "penalties" and _has_penalties(p):
        last_n = _span(p.repeat_last_n, n_ctx)
        return [
            llama_cpp.llama_sampler_init_penalties(
                vocabulary.n_tokens, last_n, p.repeat_penalty, p.frequency_penalty, p.presence_penalty
            )
        ]
    if name == "dry" and p.dry_multiplier > 0:
        return [_dry(vocabulary, p, n_ctx)]
    if keeps_best_only:
        return []
    if name == "top_n_sigma" and p.top_n_sigma > 0:
        return [llama_cpp.llama_sampler_init_top_n_sigma(p.top_n_sigma)]
    if name == "top_k" and p.top_k > 0:
        return [llama_cpp.llama_sampler_init_top_k(p.top_k)]
    if name == "typ_p" and p.typical_p < 1:
        return [llama_cpp.llama_sampler_init_typical(p.typical_p, p.min_keep)]
    if name == "top_p" and p.top_p < 1:
        return [llama_cpp.llama_sampler_init_top_p(p.top_p, p.min_keep)]
    if name == "min_p" and p.min_p > 0:
        return [llama_cpp.llama_sampler_init_min_p(p.min_p, p.min_keep)]
    if name == "xtc" and p.xtc_probability > 0:
        return [llama_cpp.llama_sampler_init_xtc(p.xtc_probability, p.xtc_threshold, p.min_keep, seed)]
    if name == "temperature":
        return [llama_cpp.llama_sampler_init_temp_ext(p.temperature, p.dynatemp_range, p.dynatemp_exponent)]
    if name == "infill" and vocabulary.can_infill:
        # The infill sampler compares all candidates with each other, which takes hours for a whole vocabulary.
        top = llama_cpp.llama_sampler_init_top_k(_N_INFILL_MOST)
        return [top, llama_cpp.llama_sampler_init_infill(vocabulary.handle)]
    return []


def _biases(vocabulary: Vocabulary, params: SamplingParams) -> dict[int, float]:
    biases = dict(params.logit_bias)
    if params.ignore_eos:
        biases |= dict.fromkeys(vocabulary.eog_tokens, -math.inf)
    return biases | dict.fromkeys(vocabulary.suppressed, -math.inf)


def _bias(vocabulary: Vocabulary, params: SamplingParams) -> list[int]:
    biases = _biases(vocabulary, params)
    if not biases:
        return []
    native = (llama_cpp.llama_logit_bias * len(biases))(*biases.items())
    return [llama_cpp.llama_sampler_init_logit_bias(vocabulary.n_tokens, len(native), native)]


def _dry(vocabulary: Vocabulary, params: SamplingParams, n_ctx: int) -> int:
    breakers = [text.encode("utf-8", "replace") for text in params.dry_sequence_breakers]
    native = (ctypes.c_char_p * len(breakers))(*breakers)
    last_n = _span(params.dry_penalty_last_n, n_ctx)
    return llama_cpp.llama_sampler_init_dry(  # type: ignore[no-any-return]
        vocabulary.handle,
        params.dry_multiplier,
        params.dry_base,
        params.dry_allowed_length,
        last_n,
        native,
        len(native),
    )
