"""What libllama tells of itself, from another process."""

import ctypes
import subprocess
from types import SimpleNamespace

import pytest

from segue.engine import device_tensors, libllama
from segue.engine.devices import DeviceKind
from segue.engine.errors import EngineError
from segue.engine.probe import features, probe


def test_this_library_and_its_devices() -> None:
    found = probe()
    assert found.version == libllama.version()
    assert [device.name for device in found.devices if device.kind is DeviceKind.CPU] == ["CPU"]
    assert found.features["CPU"]
    assert set(found.copies) == {device.name for device in found.devices if device.is_gpu}


def test_features_of_several_backends() -> None:
    line = "CUDA : ARCHS = 890 | USE_GRAPHS = 1 | CPU : SSE3 = 1 | AVX512 = 0 | REPACK = 1 | "
    assert features(line) == {"CUDA": ("ARCHS 890", "USE_GRAPHS"), "CPU": ("SSE3", "REPACK")}
    assert features("") == {}


@pytest.mark.parametrize(
    ("code", "errors", "reason"),
    [
        (-4, "", "built for another processor"),
        (-11, "", "it ended with SIGSEGV"),
        (1, "Traceback\nOSError: libcudart.so.12: cannot open\n", "OSError: libcudart.so.12: cannot open"),
        (1, "", "it gave no reason"),
    ],
)
def test_a_library_that_ends_its_process(code: int, errors: str, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done = SimpleNamespace(returncode=code, stderr=errors, stdout="")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    with pytest.raises(EngineError, match=reason):
        probe()


def test_data_comes_back_from_a_device_as_it_was() -> None:
    data, back = ctypes.create_string_buffer(bytes(range(256)), 256), ctypes.create_string_buffer(256)
    with device_tensors.device_tensor("CPU", 256) as tensor:
        device_tensors.copy_in(tensor, data)
        device_tensors.copy_out(tensor, back)
    assert back.raw == data.raw


def test_a_device_without_room() -> None:
    with pytest.raises(MemoryError, match="CPU has no room"), device_tensors.device_tensor("CPU", 1 << 60):
        pass
