"""Simulated machines, and real models' shapes with the figures that libllama gives for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from segue.engine.context_params import ContextParams
from segue.engine.dry_run import dry_context, figures
from segue.engine.layout import read_layout
from segue.engine.model import Model, ModelParams
from segue.fit.asked import Asked
from segue.fit.buffers import N_CELLS_MEASURED, ComputeBuffers
from segue.fit.choice import FitChoice
from segue.fit.choose import choose
from segue.fit.figures import ContextFigures
from segue.fit.layout import ModelLayout, TensorSize
from segue.fit.memory_devices import DeviceMemory, HostMemory
from segue.fit.placement import Placement
from tests.kit.shape_files import shape_path, tensor_bytes

GIB = 1 << 30
HOST = HostMemory(512 * GIB, 512 * GIB)
_MEASURED = "Q4_K_M"


@dataclass(frozen=True, slots=True)
class ShapeFigures:
    """What libllama says of a shape: its memory, its buffers for computing at two sizes, and its layout."""

    memory: ContextFigures
    buffers: tuple[int, int]
    layout: ModelLayout
    n_ctx_train: int


@cache
def measured(name: str) -> ShapeFigures:
    """The figures of one of the real shapes; libllama reads its header for them."""
    path = shape_path(name, _MEASURED)
    model = Model(path, ModelParams(is_dry=True))
    try:
        params = [ContextParams(n_cells=n_cells, n_seq_max=1) for n_cells in N_CELLS_MEASURED]
        small, large = (dry_context(model, one) for one in params)
        memory = figures(model, params[0], small, large)
        buffers = (sum(small.buffers.values()), sum(large.buffers.values()))
        return ShapeFigures(memory, buffers, read_layout(path, model.meta), model.n_ctx_train)
    finally:
        model.close()


def layout(name: str, quantisation: str) -> ModelLayout:
    """The layout of a shape in a quantisation."""
    known = measured(name).layout
    tensors = tuple(TensorSize(tensor, n_bytes) for tensor, n_bytes in tensor_bytes(name, quantisation))
    return ModelLayout(tensors, known.n_layers, known.n_loaded, known.expert_share)


def devices(*sizes_gib: float, target_mib: int = 1024) -> list[DeviceMemory]:
    """Devices of these sizes, of which a driver has taken a little."""
    return [
        DeviceMemory(f"GPU{i}", int(size * 0.97 * GIB), int(size * GIB), target_mib << 20)
        for i, size in enumerate(sizes_gib)
    ]


def buffers(name: str, memories: Sequence[DeviceMemory]) -> ComputeBuffers:
    """Buffers for computing on every device as large as libllama's on a CPU; the last one has the logits."""
    least, most = N_CELLS_MEASURED
    low, high = measured(name).buffers

    def compute(_: Placement, n_cells: int, n_seq: int) -> Mapping[str, int]:
        size = low + (high - low) * (n_cells - least) // (most - least)
        # With recurrent states, more is held for a sequence than its logits.
        rows = (n_seq - 1) * (measured(name).memory.n_bytes_row + 3 * measured(name).memory.n_bytes_recurrent)
        return {memory.name: size + rows * (memory is memories[-1]) for memory in memories}

    return compute


def asked(name: str, **settings: Any) -> Asked:
    """What a user asks for with these settings, and four slots."""
    n_ctx_train = measured(name).n_ctx_train
    return Asked(**({"n_slots": 4, "n_ctx_train": n_ctx_train, "n_ctx_most": n_ctx_train} | settings))


def fit(
    name: str, quantisation: str, memories: Sequence[DeviceMemory], host: HostMemory = HOST, **settings: Any
) -> FitChoice:
    """The choice for a shape on these devices. Raises FitError."""
    shape = layout(name, quantisation)
    wanted = asked(name, **settings)
    return choose(memories, host, shape, measured(name).memory, wanted, buffers(name, memories))
