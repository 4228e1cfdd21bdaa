"""What a stored state belongs to: one that was written under another fingerprint is never loaded."""

import re
from collections.abc import Mapping
from pathlib import Path

import blake3
import llama_cpp

from segue.engine.context import ContextParams

_N_SAMPLES = 256
_N_SAMPLE_BYTES = 1 << 14
_N_END_BYTES = 1 << 20
_PART = re.compile(r"-00001-of-(\d{5})\.gguf$")


def fingerprint(model: Path, params: ContextParams) -> dict[str, str]:
    """Everything that changes a state or its format, by names that can be shown. Reads a few MiB of the model.

    Two files are taken for the same model if they have the same size, and the same bytes at both ends and at 256 places
    between them, which lie in all tensors of any size.
    """
    return {
        "model": digest(model),
        "libllama": llama_cpp.__version__,
        "state format": str(llama_cpp.LLAMA_STATE_SEQ_VERSION),
        "type of keys": params.type_k,
        "type of values": params.type_v,
        "flash attention": params.flash_attention,
        "cells": "unified" if params.is_unified else f"of {params.n_seq_max} sequences",
    }


def differences(stored: Mapping[str, str], now: Mapping[str, str]) -> str:
    """In what two fingerprints differ, as a line."""
    names = [name for name in {**stored, **now} if stored.get(name) != now.get(name)]
    return ", ".join(f"{name} {stored.get(name, 'unknown')} instead of {now.get(name, 'unknown')}" for name in names)


def digest(model: Path) -> str:
    """What tells a model's file, or all parts of a split one, from others. Raises OSError."""
    hashed = blake3.blake3()
    for path in _files(model):
        n_bytes = path.stat().st_size
        hashed.update(n_bytes.to_bytes(8, "little"))
        with path.open("rb") as file:
            hashed.update(file.read(_N_END_BYTES))
            for i in range(_N_SAMPLES):
                file.seek(n_bytes * i // _N_SAMPLES)
                hashed.update(file.read(_N_SAMPLE_BYTES))
            file.seek(max(0, n_bytes - _N_END_BYTES))
            hashed.update(file.read())
    return hashed.hexdigest()[:32]


def _files(model: Path) -> list[Path]:
    found = _PART.search(model.name)
    if found is None:
        return [model]
    n_parts = int(found[1])
    return [model.with_name(_PART.sub(f"-{i:05}-of-{n_parts:05}.gguf", model.name)) for i in range(1, n_parts + 1)]
