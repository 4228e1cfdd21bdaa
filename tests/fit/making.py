"""Models and machines made up for tests."""

from collections.abc import Mapping
from typing import Any, Final

from segue.fit.asked import Asked
from segue.fit.choice import FitChoice
from segue.fit.choose import choose
from segue.fit.figures import ContextFigures, LayerMemory
from segue.fit.layout import ModelLayout, TensorSize
from segue.fit.memory_devices import DeviceMemory, HostMemory
from segue.memory import MemoryKind

MIB: Final = 1 << 20


def layout(
    n_layers: int = 4, *, n_bytes: int = MIB, n_expert_bytes: int = 0, n_ends: int = MIB, expert_share: float = 1.0
) -> ModelLayout:
    """Layers of so many bytes, with experts beside them, and embeddings and an output of `n_ends` bytes each."""
    tensors = [TensorSize("token_embd.weight", n_ends), TensorSize("output.weight", n_ends)]
    for i in range(n_layers):
        tensors.append(TensorSize(f"blk.{i}.attn_q.weight", n_bytes))
        if n_expert_bytes:
            tensors.append(TensorSize(f"blk.{i}.ffn_up_exps.weight", n_expert_bytes))
    return ModelLayout(tuple(tensors), n_layers, n_layers, expert_share)


def figures(n_layers: int = 4, *, cell: float = 1000, state: float = 0, row: int = 0) -> ContextFigures:
    """Cells and states of these sizes in all, with an equal part in each layer."""
    return ContextFigures(tuple(LayerMemory(cell / n_layers, state / n_layers) for _ in range(n_layers)), row)


def figures_of(kind: MemoryKind) -> ContextFigures:
    """Figures as a model of this kind has them."""
    return figures(cell=1000 * kind.shares_cells, state=100_000 * kind.has_state_part)


def asked(**settings: Any) -> Asked:
    """What a user asks for who has four slots, and a model that was trained with 8192 tokens."""
    return Asked(**({"n_slots": 4, "n_ctx_train": 8192, "n_ctx_most": 8192} | settings))


def no_compute(*_: object) -> Mapping[str, int]:
    """No buffers for computing."""
    return {}


def on_host(
    memory: ContextFigures, free_bytes: int = 1 << 30, shape: ModelLayout | None = None, **settings: Any
) -> FitChoice:
    """The choice without devices, for weights that are mapped and take nothing."""
    host = HostMemory(free_bytes, free_bytes)
    return choose([], host, shape or layout(n_bytes=0, n_ends=0), memory, asked(**settings), no_compute)


def device(free_bytes: int, name: str = "GPU0", target_bytes: int = 0) -> DeviceMemory:
    """A device on which so much is free."""
    return DeviceMemory(name, free_bytes, free_bytes, target_bytes)
