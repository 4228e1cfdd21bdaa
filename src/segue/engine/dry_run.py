"""Learns what a context would take, without weights: libllama tells it in its log."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import llama_cpp

from segue.engine import libllama
from segue.engine.context_params import ContextParams, create_context
from segue.engine.errors import ModelError
from segue.engine.model import Model
from segue.fit.figures import ContextFigures, LayerMemory

_BUFFER = re.compile(r"(\S+) +(?:compute|output) buffer size = +([\d.]+) MiB")
_CELL_LAYER = re.compile(r"llama_kv_cache: layer +(\d+): dev = ")
_STATE_LAYER = re.compile(r"llama_memory_recurrent, layer +(\d+): dev = ")
_SIZE = re.compile(r"(llama_kv_cache|llama_memory_recurrent): size = +([\d.]+) MiB \( *(\d+) cells")
_BEGIN = "llama_context: constructing"
_MIB = 1 << 20
_ROUNDING = 0.005
_N_CELLS = (1 << 14, 1 << 17)
_N_SEQ = 4
_N_PAD = 256


@dataclass(frozen=True, slots=True)
class _Cache:
    """A cache as its log has it: a line for each layer, then one for all."""

    is_recurrent: bool
    layers: tuple[int, ...]
    n_bytes: float
    n_cells: int


def compute_bytes(model: Model, params: ContextParams) -> Mapping[str, int]:
    """The buffers for computing in such a context, by the devices' names; those of the host may have other names.

    The model `is_dry`. Recurrent states are allocated while this runs, all else is not. Raises ModelError.
    """
    sizes: Counter[str] = Counter()
    for line in _log(model, params):
        if found := _BUFFER.search(line):
            sizes[found[1]] += int(float(found[2]) * _MIB)
    return sizes


def context_figures(model: Model, params: ContextParams) -> ContextFigures:
    """What the layers of a context with such types and batches take, whatever its size. Raises ModelError.

    The model `is_dry`.
    """
    few = min(params.n_seq_max, _N_SEQ)
    small, large = (
        list(_caches(_log(model, replace(params, n_cells=n_cells, n_seq_max=few)))) for n_cells in _N_CELLS
    )
    n_heads = _heads(model)
    layers = [LayerMemory()] * max([len(n_heads), *(1 + layer for cache in small for layer in cache.layers)])
    n_streams = 1 if params.is_unified else few
    for first, second in zip(small, large, strict=True):
        n_bytes_cell = (second.n_bytes - first.n_bytes) / (_N_CELLS[1] - _N_CELLS[0]) / n_streams
        n_bytes_rest = first.n_bytes / first.n_cells
        total = sum(n_heads.get(layer, 1) for layer in first.layers)
        for layer in first.layers:
            share = n_heads.get(layer, 1) / total
            if first.is_recurrent:
                added = LayerMemory(n_bytes_state=n_bytes_rest / len(first.layers))
            elif n_bytes_cell:
                added = LayerMemory(n_bytes_cell=n_bytes_cell * share)
            else:
                n_bytes_batch = (params.n_ubatch + _N_PAD) * n_bytes_rest * share
                added = LayerMemory(0, model.n_swa * n_bytes_rest * share, n_bytes_batch)
            layers[layer] = _sum(layers[layer], added)
    return ContextFigures(tuple(layers), 4 * model.vocabulary.n_tokens)


def _log(model: Model, params: ContextParams) -> list[str]:
    with libllama.recorded() as lines:
        llama_cpp.llama_free(create_context(model, params))
    # Before it, smaller contexts may have been tried.
    last = max(i for i, line in enumerate(lines) if line.startswith(_BEGIN))
    return lines[last:]


def _caches(lines: Iterable[str]) -> Iterable[_Cache]:
    layers: list[int] = []
    for line in lines:
        if found := _CELL_LAYER.match(line) or _STATE_LAYER.match(line):
            layers.append(int(found[1]))
        elif found := _SIZE.match(line):
            is_recurrent = found[1] == "llama_memory_recurrent"
            if layers:
                yield _Cache(is_recurrent, tuple(layers), (float(found[2]) + _ROUNDING) * _MIB, int(found[3]))
            layers = []


def _heads(model: Model) -> dict[int, int]:
    """How many heads with cells each layer has, where layers differ."""
    prefix = model.meta.get("general.architecture", "")
    text = model.meta.get(f"{prefix}.attention.head_count_kv", "")
    if not text.startswith("["):
        return {}
    return {layer: int(number) for layer, number in enumerate(text.strip("[]").split(","))}


def _sum(one: LayerMemory, other: LayerMemory) -> LayerMemory:
    return LayerMemory(
        one.n_bytes_cell + other.n_bytes_cell,
        one.n_bytes_state + other.n_bytes_state,
        one.n_bytes_batch + other.n_bytes_batch,
    )
