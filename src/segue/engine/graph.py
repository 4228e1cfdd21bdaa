"""What libllama takes for the graph of a physical batch: it ends the process where there is no memory for that."""

import mmap
from typing import Final

from segue.engine.errors import ModelError
from segue.engine.model import Model

_N_BYTES_NODE = 25_000
_N_NODES: Final = {
    "kimi-k3": 160,
    "glm5-next": 160,
    "hrm_text": 80,
    "deepseek4": 40,
    "hy_v4": 40,
    "minimax-m3": 40,
    "nanbeige": 40,
}
_N_NODES_RECURRENT: Final = 40
"""Nodes that libllama reserves for each token; other architectures have as many for all batches."""


def require_graph(model: Model, n_ubatch: int) -> None:
    """Raise ModelError if there is no memory for the graph of so many tokens."""
    usual = _N_NODES_RECURRENT if model.kind.has_recurrent else 0
    n_bytes = n_ubatch * _N_NODES.get(model.meta.get("general.architecture", ""), usual) * _N_BYTES_NODE
    try:
        if n_bytes:
            mmap.mmap(-1, n_bytes, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, OverflowError) as error:
        raise ModelError(
            f"computing {n_ubatch} tokens at once takes {n_bytes / 2**30:.1f} GiB for their graph alone; "
            "pass a smaller --ubatch-size"
        ) from error
