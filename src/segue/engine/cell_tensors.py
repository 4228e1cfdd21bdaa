"""The tensors that hold attention cells: libllama aborts where a device cannot compute with one of their size."""

import re
from collections.abc import Iterable
from typing import Any

import llama_cpp

from segue.engine import device_tensors, libllama
from segue.engine.errors import ModelError

_N_CELLS_SMALL = 4096
_MIB = 1 << 20
_LAYER = re.compile(r"llama_kv_cache: +layer +\d+: +dev = (\S+)")
_SIZE = re.compile(
    r"llama_kv_cache: size = .*\( *(\d+) cells, +(\d+) layers.*K \(\w+\): +([\d.]+) MiB, V \(\w+\): +([\d.]+) MiB"
)


def require_tensors(handle: int, native: Any) -> None:
    """Raise ModelError if a device cannot hold a layer's keys or values in one tensor, for a model's context.

    Makes a smaller context first, whose log tells the devices and sizes.
    """
    if native.n_ctx <= _N_CELLS_SMALL or not libllama.has_gpu():
        return
    n_ctx, native.n_ctx = native.n_ctx, _N_CELLS_SMALL
    try:
        with libllama.recorded() as lines:
            context = llama_cpp.llama_init_from_model(handle, native)
            llama_cpp.llama_free(context)
    finally:
        native.n_ctx = n_ctx
    n_bytes = int(_n_bytes_cell(lines) * n_ctx)
    for device in dict.fromkeys(found[1] for found in map(_LAYER.match, lines) if found):
        if n_bytes and not device_tensors.holds_tensor(device, n_bytes):
            raise ModelError(
                f"a context of {n_ctx} tokens takes {n_bytes / _MIB:.0f} MiB for the keys of a layer, and {device}"
                " cannot compute with so much at once; try a smaller --ctx-size"
            )


def _n_bytes_cell(lines: Iterable[str]) -> float:
    """The bytes of one layer's keys, or values, for one token; 0 without attention. With windows, those of all else."""
    for found in filter(None, map(_SIZE.match, lines)):
        n_cells, n_layers, *mib = map(float, found.groups())
        if n_layers:
            return max(mib) * _MIB / (n_cells * n_layers)
    return 0
