"""The contents of a model's file: the bytes of each layer, with the experts apart from the rest."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

EXPERTS: Final = r"\.ffn_(up|down|gate|gate_up)_(ch|)exps"
"""The names of experts' tensors, as libllama's overrides match them."""
_LAYER = re.compile(r"blk\.(\d+)\.")
_EXPERTS = re.compile(EXPERTS)
_INPUTS = ("token_embd.", "position_embd.", "token_types.", "per_layer_token_embd.", "masked_embd_")
_EMBEDDING = "token_embd.weight"
_OUTPUT = "output.weight"


@dataclass(frozen=True, slots=True)
class TensorSize:
    """A tensor of a file, by its name there."""

    name: str
    n_bytes: int

    @property
    def layer(self) -> int | None:
        """The layer that it belongs to; None for those before the first and after the last."""
        found = _LAYER.match(self.name)
        return int(found[1]) if found else None

    @property
    def is_expert(self) -> bool:
        """Whether it holds experts, of which a token uses only some."""
        return _EXPERTS.search(self.name) is not None

    @property
    def is_input(self) -> bool:
        """Whether libllama keeps it in host memory in any case, since tokens only look up its rows."""
        return self.name.startswith(_INPUTS)


@dataclass(frozen=True)
class ModelLayout:
    """The tensors of a model with `n_layers` layers, of which libllama does not load those from `n_loaded` on.

    One token uses `expert_share` of the experts' weights.
    """

    tensors: tuple[TensorSize, ...]
    n_layers: int
    n_loaded: int
    expert_share: float = 1.0

    @cached_property
    def loaded(self) -> tuple[TensorSize, ...]:
        """The tensors that libllama loads, among them the copy of the embeddings that also serve as output."""
        tensors = [tensor for tensor in self.tensors if (tensor.layer or 0) < self.n_loaded]
        embedding = next((tensor for tensor in tensors if tensor.name == _EMBEDDING), None)
        if embedding is not None and all(tensor.name != _OUTPUT for tensor in tensors):
            tensors.append(TensorSize(_OUTPUT, embedding.n_bytes))
        return tuple(tensors)

    @property
    def is_tied(self) -> bool:
        """Whether the embeddings also serve as output: in host memory they then lie once."""
        return all(tensor.name != _OUTPUT for tensor in self.tensors)

    @property
    def has_experts(self) -> bool:
        """Whether some tensors hold experts."""
        return any(tensor.is_expert for tensor in self.tensors)

    @cached_property
    def active_bytes(self) -> int:
        """The weights that one token uses."""
        loaded = [tensor for tensor in self.loaded if not tensor.is_input]
        experts = sum(tensor.n_bytes for tensor in loaded if tensor.is_expert)
        return int(sum(tensor.n_bytes for tensor in loaded) - experts * (1 - self.expert_share))
