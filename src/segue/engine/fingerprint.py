"""The fingerprint of stored states: a state that was written under another fingerprint is never loaded."""

import llama_cpp

from segue.engine import libllama
from segue.engine.context import Context
from segue.engine.context_params import ContextParams


def fingerprint(context: Context, params: ContextParams) -> dict[str, str]:
    """Everything that changes a state or its format, under names for the user.

    Reads a token, so all sequences of the context must be empty.
    """
    # The device decides what `auto` means, so it can differ between machines that share a cache.
    flash_attention = {True: "on", False: "off", None: params.flash_attention}[context.has_flash_attention()]
    found = {
        "model": context.model.digest,
        "libllama": libllama.version(),
        "state format": str(llama_cpp.LLAMA_STATE_SEQ_VERSION),
        "type of keys": params.type_k,
        "type of values": params.type_v,
        "flash attention": flash_attention,
        "cells": "unified" if params.is_unified else f"of {params.n_seq_max} sequences",
    }
    if params.rope.described():
        found["RoPE"] = params.rope.described()
    if context.model.overrides:
        pairs = sorted(context.model.overrides, key=lambda pair: pair[0])
        found["metadata"] = ", ".join(f"{key} {value!r}" for key, value in pairs)
    n_ctx_short = context.model.n_ctx_short_rope
    if n_ctx_short is not None:
        # libllama rotates all keys by one set of factors, chosen by the size of the context, not of the prompt.
        found["RoPE factors"] = "long" if context.n_ctx_seq > n_ctx_short else "short"
    return found
