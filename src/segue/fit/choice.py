"""The placement and the sizes that were chosen."""

from dataclasses import dataclass

from segue.fit.placement import Placement
from segue.fit.sizes import Sizes
from segue.fit.usage import MemoryUsage


@dataclass(frozen=True, slots=True)
class FitChoice:
    """Where a model lies, how large its memory is, and what each memory then holds; the host's comes last.

    `n_bytes_reread` are mapped weights for which the host's memory has no room: they are read from the file as needed.
    """

    placement: Placement
    sizes: Sizes
    usages: tuple[MemoryUsage, ...]
    n_bytes_reread: int = 0
