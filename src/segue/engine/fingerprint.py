"""The fingerprint of stored states: a state that was written under another fingerprint is never loaded."""

from collections.abc import Mapping

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
    n_ctx_short = context.model.n_ctx_short_rope
    if n_ctx_short is not None:
        # libllama rotates all keys by one set of factors, chosen by the size of the context, not of the prompt.
        found["RoPE factors"] = "long" if context.n_ctx_seq > n_ctx_short else "short"
    return found


def differences(stored: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The differences between two fingerprints, as one line."""
    names = [name for name in {**stored, **now} if stored.get(name) != now.get(name)]
    return ", ".join(f"{name} {_told(stored, name)} instead of {_told(now, name)}" for name in names)


def _told(fingerprint: Mapping[str, str], name: str) -> str:
    """A value for the user; the stored value of `cells` keeps its old form, so that stored states stay valid."""
    value = fingerprint.get(name, "unknown")
    return value.replace("of ", "split among ", 1) if name == "cells" else value
