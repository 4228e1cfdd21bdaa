"""Where Segue answers otherwise than llama-server, as the table says it."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_TABLE: Final = Path(__file__).with_name("deviations.toml")


@dataclass(frozen=True, slots=True)
class Deviation:
    """What differs in the answers to some requests, where in them, and why."""

    what: str
    at: str
    rows: tuple[str, ...]
    why: str

    def explains(self, row: str, difference: str) -> bool:
        return row in self.rows and re.match(self.at, difference) is not None


@cache
def deviations() -> tuple[Deviation, ...]:
    """The table."""
    table = tomllib.loads(_TABLE.read_text())["deviation"]
    return tuple(Deviation(item["what"], item["at"], tuple(item["rows"]), item["why"]) for item in table)
