"""What was chosen."""

from dataclasses import dataclass

from segue.fit.placement import Placement
from segue.fit.sizes import Sizes
from segue.fit.usage import MemoryUsage


@dataclass(frozen=True, slots=True)
class FitChoice:
    """Where a model lies, how large its memory is, and what each memory then holds; the host's comes last."""

    placement: Placement
    sizes: Sizes
    usages: tuple[MemoryUsage, ...]
