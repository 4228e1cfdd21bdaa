"""What one run of the benchmark is told."""

import math
import os
from dataclasses import dataclass
from pathlib import Path

from tests.kit.models import model_path


@dataclass(frozen=True, slots=True)
class Options:
    """`is_quick`: short settings on the tiny model, to see that all works; its figures mean nothing.

    `model` takes the place of the kit's, in parts that can measure any. After `limit_s`, speed begins no more rounds.
    """

    parts: tuple[str, ...] = ()
    is_quick: bool = False
    n_threads: int = 0
    n_repeats: int = 0
    out: Path = Path(__file__).parent / "out"
    model: Path | None = None
    limit_s: float = math.inf

    @property
    def threads(self) -> int:
        """Threads of every server and loop; one for each core unless told."""
        return self.n_threads or len(os.sched_getaffinity(0))

    @property
    def model_name(self) -> str:
        """The kit's model: a hybrid of 25 million weights, in quick runs the tiny one."""
        return "qwen35" if self.is_quick else "qwen35-25m"

    @property
    def model_path(self) -> Path:
        """The model that was asked for, or the kit's."""
        return self.model or model_path(self.model_name)

    def repeats(self, n: int) -> int:
        """How often to measure: as told, else `n`, or little in a quick run."""
        return self.n_repeats or (min(n, 3) if self.is_quick else n)
