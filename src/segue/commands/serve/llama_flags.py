"""The flags of llama-server, as llama.cpp's `common/arg.cpp` has them; `tools/llama_flags.py` writes the file."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_suffix(".json")


@dataclass(frozen=True, slots=True)
class LlamaFlag:
    """One flag: its names and negations, how many values follow, and its variable or an empty text."""

    names: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    n_values: int = 0
    env: str = ""

    @property
    def env_off(self) -> str:
        """The variable that switches off a flag with negations, whatever its value."""
        return self.env.replace("LLAMA_ARG_", "LLAMA_ARG_NO_") if self.negatives else ""


@functools.cache
def llama_flags() -> tuple[LlamaFlag, ...]:
    """All rows, in llama.cpp's order."""
    rows = json.loads(TABLE.read_text(encoding="utf-8"))
    return tuple(LlamaFlag(tuple(row["names"]), tuple(row["negatives"]), row["n_values"], row["env"]) for row in rows)
