"""The processor of this machine."""

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from segue.engine.cgroup import cpu_limit

_KNOWN: Final = {
    "SSE3": "pni",
    "SSSE3": "ssse3",
    "AVX": "avx",
    "AVX_VNNI": "avx_vnni",
    "AVX2": "avx2",
    "F16C": "f16c",
    "FMA": "fma",
    "BMI2": "bmi2",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "AMX_INT8": "amx_int8",
    "NEON": "asimd",
    "FP16_VA": "asimdhp",
    "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm",
    "SVE": "sve",
    "SME": "sme",
}
"""libllama's names of instructions, and Linux's."""


@dataclass(frozen=True, slots=True)
class Processor:
    """Its name, the instructions that it has by libllama's names, and how many cores this process may use.

    Where the system does not tell, `features` is None.
    """

    name: str
    features: frozenset[str] | None
    n_cores: int


def processor(root: Path = Path("/")) -> Processor:
    """Ask the system; `root` is where `/proc` is."""
    rows: dict[str, str] = {}
    with suppress(OSError):
        for line in (root / "proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            rows.setdefault(key.strip(), value.strip())
    flags = rows.get("flags") or rows.get("Features")
    has = frozenset(flags.split()) if flags else frozenset()
    features = frozenset(ours for ours, name in _KNOWN.items() if name in has) if flags else None
    limit = cpu_limit(root)
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    name = rows.get("model name") or platform.processor() or platform.machine()
    return Processor(name, features, min(n_cores, max(1, int(limit))) if limit else n_cores)


def instructions(features: tuple[str, ...]) -> frozenset[str]:
    """Those of libllama's features that are instructions of a processor."""
    return frozenset(features) & frozenset(_KNOWN)
