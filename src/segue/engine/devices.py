"""The devices that libllama can put a model on, with their memory."""

from dataclasses import dataclass
from enum import IntEnum

import psutil

from segue.engine import libllama
from segue.engine.cgroup import memory_limit


class DeviceKind(IntEnum):
    """The kinds of devices, numbered as in ggml."""

    CPU = 0
    GPU = 1
    IGPU = 2
    """Graphics that are part of a processor, and compute in the host's memory."""
    ACCEL = 3
    """A helper of the CPU, such as BLAS, that holds no model."""


@dataclass(frozen=True, slots=True)
class Device:
    """A device, and its memory at the time of asking; a GPU whose driver does not tell has 0 bytes free."""

    name: str
    description: str
    kind: DeviceKind
    free_bytes: int
    total_bytes: int

    @property
    def is_gpu(self) -> bool:
        """Whether it is a graphics card, or graphics that are part of a processor."""
        return self.kind in (DeviceKind.GPU, DeviceKind.IGPU)


def list_devices() -> list[Device]:
    """The devices in libllama's order, GPUs first. Takes microseconds after the first call, which starts libllama."""
    return [_device(index) for index in range(libllama.n_devices())]


def _device(index: int) -> Device:
    number = libllama.device_type(index)
    kind = DeviceKind(number) if number <= DeviceKind.ACCEL else DeviceKind.ACCEL
    free_bytes, total_bytes = libllama.device_memory(index)
    if kind is DeviceKind.CPU:
        # libllama says that all memory of the host is free.
        memory, limit = psutil.virtual_memory(), memory_limit()
        free_bytes, total_bytes = memory.available, memory.total
        if limit is not None:
            free_bytes, total_bytes = min(free_bytes, limit.free_bytes), min(total_bytes, limit.most_bytes)
    name, description = libllama.device_name(index), libllama.device_description(index)
    return Device(name, description, kind, min(free_bytes, total_bytes), total_bytes)
