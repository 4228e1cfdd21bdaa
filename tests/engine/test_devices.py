"""The devices that libllama has, and their memory."""

from types import SimpleNamespace

import psutil
import pytest

from segue.engine import libllama
from segue.engine.cgroup import MemoryLimit
from segue.engine.devices import Device, DeviceKind, list_devices

GIB = 1 << 30
ROWS = [
    ("CUDA0", "NVIDIA RTX 4090", 1, (22 * GIB, 24 * GIB)),
    ("Vulkan0", "Intel Iris", 2, (0, 8 * GIB)),
    ("BLAS", "OpenBLAS", 3, (0, 0)),
    ("Meta", "several", 4, (0, 0)),
    ("CPU", "AMD Ryzen", 0, (64 * GIB, 64 * GIB)),
]


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libllama, "n_devices", lambda: len(ROWS))
    for i, name in enumerate(("device_name", "device_description", "device_type", "device_memory")):
        monkeypatch.setattr(libllama, name, lambda index, column=i: ROWS[index][column])
    host = SimpleNamespace(available=40 * GIB, total=62 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: host)
    monkeypatch.setattr("segue.engine.devices.memory_limit", lambda: None)


@pytest.mark.usefixtures("fakes")
def test_a_gpu_has_the_memory_that_its_driver_tells_and_the_cpu_what_the_host_has_free() -> None:
    devices = list_devices()
    assert devices[0] == Device("CUDA0", "NVIDIA RTX 4090", DeviceKind.GPU, 22 * GIB, 24 * GIB)
    assert devices[1] == Device("Vulkan0", "Intel Iris", DeviceKind.IGPU, 0, 8 * GIB)
    assert devices[-1] == Device("CPU", "AMD Ryzen", DeviceKind.CPU, 40 * GIB, 62 * GIB)
    assert [device.name for device in devices if device.is_gpu] == ["CUDA0", "Vulkan0"]


@pytest.mark.usefixtures("fakes")
@pytest.mark.parametrize(
    ("limit", "free_gib", "total_gib"),
    [(MemoryLimit(8 * GIB, 3 * GIB), 5, 8), (MemoryLimit(60 * GIB, GIB), 40, 60), (MemoryLimit(1 << 63, 0), 40, 62)],
)
def test_a_container_has_no_more_than_its_limit(
    limit: MemoryLimit, free_gib: int, total_gib: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("segue.engine.devices.memory_limit", lambda: limit)
    cpu = list_devices()[-1]
    assert (cpu.free_bytes, cpu.total_bytes) == (free_gib * GIB, total_gib * GIB)


@pytest.mark.usefixtures("fakes")
def test_a_kind_that_a_later_ggml_adds_holds_no_model() -> None:
    assert [device.kind for device in list_devices()[2:4]] == [DeviceKind.ACCEL, DeviceKind.ACCEL]


def test_this_build_has_a_cpu_with_memory() -> None:
    (cpu,) = (device for device in list_devices() if device.kind is DeviceKind.CPU)
    assert cpu.name == "CPU"
    assert cpu.description
    assert 0 < cpu.free_bytes <= cpu.total_bytes
