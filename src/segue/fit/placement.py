"""Where the layers of a model lie."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from segue.fit.layout import EXPERTS


@dataclass(frozen=True, slots=True)
class Placement:
    """The layers on each device, in order; layers before those lie in host memory. The output counts as the last one.

    The experts of the first `n_host_experts` layers lie in host memory, too.
    """

    n_layers: int
    n_on: tuple[int, ...] = ()
    n_host_experts: int = 0

    @property
    def n_on_devices(self) -> int:
        """The layers on devices, as `--n-gpu-layers` counts them."""
        return sum(self.n_on)

    @property
    def n_on_host(self) -> int:
        """The layers in host memory."""
        return self.n_layers + 1 - self.n_on_devices

    def device(self, layer: int) -> int | None:
        """The number of the device that holds a layer; None for the host. The output has the number `n_layers`."""
        first = self.n_on_host
        for device, count in enumerate(self.n_on):
            if first <= layer < first + count:
                return device
            first += count
        return None

    @property
    def override(self) -> str:
        """The pattern of the tensors that lie in host memory though their layers do not; empty if there are none."""
        layers = "|".join(str(layer) for layer in range(self.n_on_host, self.n_host_experts))
        return rf"^blk\.({layers}){EXPERTS}" if layers else ""


def by_shares(n_layers: int, n_on_devices: int, shares: Sequence[float]) -> Placement:
    """The placement that libllama makes of these shares, which are not all 0."""
    n_on_devices = min(n_on_devices, n_layers + 1)
    ends = [end / sum(shares) for end in accumulate(shares)]
    counts = [0] * len(shares)
    for i in range(n_on_devices):
        counts[next((d for d, end in enumerate(ends) if end > i / n_on_devices), len(shares) - 1)] += 1
    return Placement(n_layers, tuple(counts))
