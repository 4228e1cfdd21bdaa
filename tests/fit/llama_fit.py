"""A model of the context that llama-server chooses with `--fit on`, from the facts of llama.cpp's common/fit.cpp.

Experts and layers that go to the host come after the context there, and do not change it: so they are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

_STEP = 256


@dataclass(frozen=True, slots=True)
class LlamaDevice:
    """What a device has free, what shall stay so, and what it takes without context, and for each token of it."""

    free_bytes: int
    target_bytes: int
    base_bytes: float
    token_bytes: float
    weight_bytes: int

    def used(self, n_ctx: int) -> float:
        """What the model and a context take."""
        return self.base_bytes + self.token_bytes * n_ctx


def llama_context(
    devices: Sequence[LlamaDevice], *, n_ctx_train: int, n_ctx_least: int, n_layers: int, has_experts: bool
) -> int:
    """The tokens of the context, of which none are asked for, with all layers on devices.

    The whole context if it fits on every device. Else what fits on all of them together, between the two sizes
    interpolated, in steps of 256; on several devices with some room for layers that do not fill them. Else the least.
    """
    if all(device.free_bytes - device.used(n_ctx_train) >= device.target_bytes for device in devices):
        return n_ctx_train
    budget = sum(device.free_bytes - device.target_bytes for device in devices)
    used_most = sum(device.used(n_ctx_train) for device in devices)
    if used_most <= budget or n_ctx_train <= n_ctx_least:
        return n_ctx_train
    if len(devices) > 1:
        per_layer = sum(device.weight_bytes for device in devices) / n_layers
        budget -= int((len(devices) + 1) * per_layer / (6 if has_experts else 2))
    used_least = sum(device.used(n_ctx_least) for device in devices)
    if budget <= used_least:
        return n_ctx_least
    n_ctx = n_ctx_least + int((n_ctx_train - n_ctx_least) * (budget - used_least) / (used_most - used_least))
    return max(n_ctx - n_ctx % _STEP, n_ctx_least)
