"""What the figures were measured on: processor, instruction sets, versions, and how busy it was with other things."""

import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

import llama_cpp
import psutil

from bench.server import LLAMA_SERVER, has_peer
from segue.engine.devices import list_devices
from segue.engine.probe import features

_BUSY_PERCENT: Final = 15.0
_PEER_INFO: Final = "import xllamacpp; print(xllamacpp.get_system_info())"


def facts() -> dict[str, str]:
    """Facts for the report, by name. Takes a second, in which it looks how busy the machine is."""
    busy_percent = psutil.cpu_percent(interval=1.0)
    found = {
        "processor": f"{_processor()}, {psutil.cpu_count()} logical cores",
        "busy before the start": f"{busy_percent:.0f} %",
        "Python": platform.python_version(),
        "Segue": version("segue"),
        "llama-cpp-python": version("llama-cpp-python"),
        "its instruction set": _instructions(llama_cpp.llama_print_system_info().decode()),
    }
    gpus = [f"{device.name}, {device.description}" for device in list_devices() if device.is_gpu]
    if gpus:
        found["GPUs"] = "; ".join(gpus)
    if busy_percent > _BUSY_PERCENT:
        found["warning"] = "the machine is not idle: timings are not to be trusted"
    if LLAMA_SERVER:
        told = subprocess.run([LLAMA_SERVER, "--version"], capture_output=True, text=True, check=True)
        found["llama-server"] = " ".join((told.stdout + told.stderr).split())
    elif has_peer():
        # In a process of its own: two builds of libllama in one would be asking for trouble.
        info = subprocess.run([sys.executable, "-c", _PEER_INFO], capture_output=True, text=True, check=True).stdout
        found["xllamacpp"] = version("xllamacpp")
        found["llama-server's instruction set"] = _instructions(info)
        if gpus and set(features(info)) == {"CPU"}:
            found["warning about GPUs"] = "this llama-server uses none: name one that does in LLAMA_SERVER"
    return found


def is_same_instruction_set(found: Mapping[str, str]) -> bool:
    """Whether both builds of libllama use the same instructions, as far as they tell, so that their speeds compare."""
    theirs = found.get("llama-server's instruction set")
    return theirs is None or found["its instruction set"] == theirs


def _instructions(system_info: str) -> str:
    flags = (part.split("=") for part in system_info.partition("CPU :")[2].split("|") if "=" in part)
    return " ".join(name.strip() for name, value in flags if value.strip() == "1")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
