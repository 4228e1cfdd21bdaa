"""Learns of libllama in a process of its own: a library for another machine may end the process that loads it."""

import ctypes
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from segue.engine import device_tensors, libllama
from segue.engine.devices import Device, DeviceKind, list_devices
from segue.engine.errors import EngineError

_N_BYTES = 64 << 20
_N_TRIES = 3


@dataclass(frozen=True, slots=True)
class LibraryFacts:
    """The version of libllama, what each of its backends was built with, and the devices that it finds.

    `copies` are the bytes a second of copies to each GPU and back.
    """

    version: str
    features: Mapping[str, tuple[str, ...]]
    devices: tuple[Device, ...]
    copies: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def probe() -> LibraryFacts:
    """Load libllama and ask it. Takes seconds; raises EngineError with the reason if it cannot be loaded."""
    done = subprocess.run([sys.executable, "-m", __name__], capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineError(_reason(done.returncode, done.stderr))
    found = json.loads(done.stdout.splitlines()[-1])
    devices = tuple(Device(**device | {"kind": DeviceKind(device["kind"])}) for device in found["devices"])
    copies = {name: (to, back) for name, (to, back) in found["copies"].items()}
    return LibraryFacts(found["version"], features(found["system_info"]), devices, copies)


def features(system_info: str) -> dict[str, tuple[str, ...]]:
    """The names that a line such as `CPU : AVX2 = 1 | FMA = 0 | CUDA : F16 = 1 | ` says yes to, by backend."""
    found: dict[str, list[str]] = {}
    backend = "CPU"
    for part in system_info.split("|"):
        name, colon, rest = part.partition(" : ")
        backend = name.strip() if colon else backend
        feature, _, value = (rest if colon else part).partition("=")
        if value.strip() not in ("", "0"):
            is_switch = value.strip() == "1"
            found.setdefault(backend, []).append(feature.strip() if is_switch else f"{feature.strip()} {value.strip()}")
    return {name: tuple(names) for name, names in found.items()}


def _reason(code: int, errors: str) -> str:
    if code == -signal.SIGILL:
        return "it was built for another processor: this one lacks an instruction that it uses"
    if code < 0:
        return f"it ended with {signal.Signals(-code).name}"
    return (errors.strip().splitlines() or ["it gave no reason"])[-1]


def _print_facts() -> None:
    devices = list_devices()
    found = {
        "version": libllama.version(),
        "system_info": libllama.system_info(),
        "devices": [asdict(device) for device in devices],
        "copies": {device.name: _copies(device.name) for device in devices if device.is_gpu},
    }
    print(json.dumps(found))


def _copies(device: str) -> tuple[float, float]:
    """The bytes a second to a device and back, at best of a few tries; 0 if it has no room."""
    data = ctypes.create_string_buffer(_N_BYTES)
    try:
        with device_tensors.device_tensor(device, _N_BYTES) as tensor:
            to, back = (
                min(_seconds(copy, tensor, data) for _ in range(_N_TRIES))
                for copy in (device_tensors.copy_in, device_tensors.copy_out)
            )
    except MemoryError:
        return 0, 0
    return _N_BYTES / to, _N_BYTES / back


def _seconds(copy: Callable[[int, "ctypes.Array[ctypes.c_char]"], None], tensor: int, data: Any) -> float:
    started = time.perf_counter()
    copy(tensor, data)
    return max(1e-9, time.perf_counter() - started)


if __name__ == "__main__":
    _print_facts()
