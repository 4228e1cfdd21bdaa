"""What the system tells of its processor and its cards."""

import os
from pathlib import Path

import pytest

from segue.commands.doctor.cards import Card, find_cards
from segue.commands.doctor.processor import instructions, processor

X86 = "processor : 0\nmodel name\t: AMD Ryzen\nflags\t\t: fpu avx2 fma pni f16c\n\nprocessor : 1\nmodel name : other\n"


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_instructions_have_libllamas_names(tmp_path: Path) -> None:
    write(tmp_path, {"proc/cpuinfo": X86})
    own = processor(tmp_path)
    assert (own.name, own.features) == ("AMD Ryzen", frozenset({"AVX2", "FMA", "SSE3", "F16C"}))
    assert own.n_cores == len(os.sched_getaffinity(0))
    assert instructions(("AVX2", "OPENMP", "REPACK", "ARCHS 890")) == {"AVX2"}


def test_a_system_that_tells_nothing(tmp_path: Path) -> None:
    assert processor(tmp_path).features is None
    assert find_cards(tmp_path, lambda _: None) == []


def test_cores_that_a_container_may_use(tmp_path: Path) -> None:
    write(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"})
    assert processor(tmp_path).n_cores == 1


@pytest.mark.parametrize(
    ("files", "tool", "cards"),
    [
        ({"sys/class/drm/card0/device/vendor": "0x10de\n"}, None, [Card("NVIDIA", "CUDA")]),
        ({}, "/usr/bin/nvidia-smi", [Card("NVIDIA", "CUDA")]),
        ({"proc/driver/nvidia/version": "NVRM"}, None, [Card("NVIDIA", "CUDA")]),
        ({"sys/class/drm/card1/device/vendor": "0x1002\n", "dev/kfd": ""}, None, [Card("AMD", "HIP")]),
        # Graphics that are part of a processor, and those of a virtual machine.
        ({"sys/class/drm/card0/device/vendor": "0x1002\n"}, None, []),
        ({"sys/class/drm/card0/device/vendor": "0x8086\n", "sys/class/drm/card1/device/vendor": "0x1af4\n"}, None, []),
    ],
)
def test_cards(files: dict[str, str], tool: str | None, cards: list[Card], tmp_path: Path) -> None:
    write(tmp_path, files)
    assert find_cards(tmp_path, lambda _: tool) == cards
