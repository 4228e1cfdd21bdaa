"""Graphics cards that the system sees, whether libllama can use them or not."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_VENDORS: Final = {"0x10de": ("NVIDIA", "CUDA"), "0x1002": ("AMD", "HIP")}


@dataclass(frozen=True, slots=True)
class Card:
    """A vendor, and the backend of libllama that serves its cards best."""

    vendor: str
    backend: str


def find_cards(root: Path = Path("/"), which: Callable[[str], str | None] = shutil.which) -> list[Card]:
    """The vendors of cards with drivers for computing. Graphics that are part of a processor seldom have those."""
    vendors = set()
    with suppress(OSError):
        for path in (root / "sys/class/drm").glob("card*/device/vendor"):
            vendors.add(path.read_text().strip())
    if which("nvidia-smi") or (root / "proc/driver/nvidia/version").exists():
        vendors.add("0x10de")
    if not (root / "dev/kfd").exists():
        vendors.discard("0x1002")
    return [Card(*_VENDORS[vendor]) for vendor in sorted(vendors & set(_VENDORS))]
