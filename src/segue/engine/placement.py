"""Which buffers hold single tensors, whatever the layer that they belong to."""

import ctypes
from collections.abc import Sequence
from typing import Any, Final

from segue.engine import libllama

TensorPlace = tuple[str, str]
"""A pattern of tensors' names, and the buffer type for them. Of several patterns that match, the first counts."""

HOST: Final = "CPU"
_N_LAYERS_MOST = 512
"""The most layers of a model, in libllama."""


class _Override(ctypes.Structure):
    _fields_ = (("pattern", ctypes.c_char_p), ("buft", ctypes.c_void_p))


def experts_on_host(n_layers: int | None = None) -> TensorPlace:
    """The experts of the first `n_layers` layers in host memory, or those of all layers."""
    return _on_host(n_layers, r"ffn_(up|down|gate|gate_up)_(ch|)exps")


def dense_on_host(n_layers: int) -> TensorPlace:
    """The feed-forward weights of the first `n_layers` layers, apart from experts, in host memory."""
    return _on_host(n_layers, r"ffn_(up|down|gate)\.")


def _on_host(n_layers: int | None, tensors: str) -> TensorPlace:
    if n_layers is None or n_layers >= _N_LAYERS_MOST:
        return rf"\.{tensors}", HOST
    # One pattern for all layers: libllama compiles every pattern again for every tensor.
    return rf"blk\.({'|'.join(map(str, range(n_layers)))})\.{tensors}", HOST


def buffer_overrides(places: Sequence[TensorPlace]) -> Any:
    """libllama's array of overrides, which ends with one without a pattern. Raises ValueError for unknown buffers."""
    known = libllama.buffer_types()
    array = (_Override * (len(places) + 1))()
    for native, (pattern, name) in zip(array, places, strict=False):
        if name not in known:
            raise ValueError(f"no buffer type named {name!r}; this build of libllama has: {', '.join(known)}")
        native.pattern, native.buft = pattern.encode(), known[name]
    return array
