"""What `segue serve` prints in place of serving."""

import pytest

from segue.commands.serve.command import run_line
from segue.engine import devices
from segue.engine.devices import Device, DeviceKind

CPU = Device("CPU", "AMD Ryzen", DeviceKind.CPU, 5 << 30, 8 << 30)
GPU = Device("CUDA0", "NVIDIA RTX 4090", DeviceKind.GPU, 22 << 30, 24 << 30)


@pytest.mark.parametrize(
    ("found", "lines"),
    [([GPU, CPU], ["  CUDA0: NVIDIA RTX 4090 (24576 MiB, 22528 MiB free)"]), ([CPU], ["  (none)"])],
)
def test_devices_are_listed_as_llama_server_lists_them(
    found: list[Device], lines: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(devices, "list_devices", lambda: found)
    assert run_line(["--list-devices"]) == 0
    assert capsys.readouterr().out.splitlines() == ["Available devices:", *lines]
