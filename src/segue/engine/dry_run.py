"""Learns what a context would take, without weights: libllama tells it in its log."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import llama_cpp

from segue.engine import libllama
from segue.engine.context_params import ContextParams, create_context
from segue.engine.model import Model
from segue.fit.buffers import N_CELLS_MEASURED
from segue.fit.figures import ContextFigures, LayerMemory

_BUFFER = re.compile(r"(\S+) +(?:compute|output) buffer size = +([\d.]+) MiB")
_CELL_LAYER = re.compile(r"llama_kv_cache: layer +(\d+): dev = ")
_STATE_LAYER = re.compile(r"llama_memory_recurrent, layer +(\d+): dev = ")
_SIZE = re.compile(r"(llama_kv_cache|llama_memory_recurrent): size = +([\d.]+) MiB \( *(\d+) cells")
_BEGIN = "llama_context: constructing"
_MIB = 1 << 20
_ROUNDING = 0.005
_N_PAD = 256


@dataclass(frozen=True, slots=True)
class DryCache:
    """Attention cells or recurrent states: the layers that have them, and the size of all of them."""

    is_recurrent: bool
    layers: tuple[int, ...]
    n_bytes: float
    n_cells: int


@dataclass(frozen=True, slots=True)
class DryContext:
    """The memory that a context would take: its caches, and buffers for computing by the names of devices.

    libllama has further names for buffers in host memory.
    """

    caches: tuple[DryCache, ...]
    buffers: Mapping[str, int]


def dry_context(model: Model, params: ContextParams) -> DryContext:
    """The memory that such a context would take if the model had weights; the model `is_dry`. Raises ModelError.

    Recurrent states are allocated while this runs, all else is not.
    """
    with libllama.recorded() as lines:
        llama_cpp.llama_free(create_context(model, params))
    return _told(lines)


def dry_mtp_context(model: Model, params: ContextParams) -> DryContext:
    """What the context for multi-token prediction would take, beside the model's own. Raises ModelError."""
    target = create_context(model, params)
    try:
        with libllama.recorded() as lines:
            llama_cpp.llama_free(create_context(model, replace(params, n_rows=0), drafts_for=target))
    finally:
        llama_cpp.llama_free(target)
    return _told(lines)


def figures(model: Model, params: ContextParams, small: DryContext, large: DryContext) -> ContextFigures:
    """The memory of each layer, from contexts with the two sizes of `N_CELLS_MEASURED` and these other parameters."""
    n_heads = _heads(model)
    n_layers = max([len(n_heads), *(1 + layer for cache in small.caches for layer in cache.layers)])
    layers = [LayerMemory()] * n_layers
    n_streams = 1 if params.is_unified else params.n_seq_max
    for first, second in zip(small.caches, large.caches, strict=True):
        per_cell = (second.n_bytes - first.n_bytes) / (N_CELLS_MEASURED[1] - N_CELLS_MEASURED[0]) / n_streams
        each = first.n_bytes / first.n_cells / (1 if first.is_recurrent else n_streams)
        total = sum(n_heads.get(layer, 1) for layer in first.layers)
        for layer in first.layers:
            share = n_heads.get(layer, 1) / total
            if first.is_recurrent:
                added = LayerMemory(n_bytes_state=each / len(first.layers))
            elif per_cell:
                added = LayerMemory(n_bytes_cell=per_cell * share)
            else:
                added = LayerMemory(0, model.n_swa * each * share, (params.n_ubatch + _N_PAD) * each * share)
            layers[layer] += added
    n_bytes_row = 4 * model.vocabulary.n_tokens
    recurrent = [cache.n_bytes / cache.n_cells / len(cache.layers) for cache in small.caches if cache.is_recurrent]
    return ContextFigures(tuple(layers), n_bytes_row, int(max(recurrent, default=0)))


def _told(lines: Sequence[str]) -> DryContext:
    # Before it, smaller contexts may have been tried.
    last = max(i for i, line in enumerate(lines) if line.startswith(_BEGIN))
    buffers: Counter[str] = Counter()
    for found in filter(None, map(_BUFFER.search, lines[last:])):
        buffers[found[1]] += int(float(found[2]) * _MIB)
    return DryContext(tuple(_caches(lines[last:])), buffers)


def _caches(lines: Iterable[str]) -> Iterable[DryCache]:
    layers: list[int] = []
    for line in lines:
        if found := _CELL_LAYER.match(line) or _STATE_LAYER.match(line):
            layers.append(int(found[1]))
        elif found := _SIZE.match(line):
            if layers:
                n_bytes = (float(found[2]) + _ROUNDING) * _MIB
                yield DryCache(found[1] == "llama_memory_recurrent", tuple(layers), n_bytes, int(found[3]))
            layers = []


def _heads(model: Model) -> dict[int, int]:
    """How many heads with cells each layer has, where layers differ."""
    prefix = model.meta.get("general.architecture", "")
    text = model.meta.get(f"{prefix}.attention.head_count_kv", "")
    if not text.startswith("["):
        return {}
    return {layer: int(number) for layer, number in enumerate(text.strip("[]").split(","))}
