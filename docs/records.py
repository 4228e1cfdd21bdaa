"""What was measured, a line a case, so that long series can be stopped and go on."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


class Records:
    """The cases of a file, each of which is measured once."""

    def __init__(self, name: str) -> None:
        self._path = Path(__file__).parent / "policies" / f"{name}.jsonl"
        text = self._path.read_text() if self._path.exists() else ""
        records = map(json.loads, text.splitlines())
        self._known: dict[str, Record] = {self._key(record["case"]): record["found"] for record in records}

    def get(self, case: Record, measure: Callable[..., Record], *arguments: object) -> Record:
        """What is known of a case; if nothing is, `measure` is called and what it gives appended."""
        key = self._key(case)
        if key not in self._known:
            started = time.perf_counter()
            self._known[key] = measure(*arguments)
            with self._path.open("a") as file:
                file.write(json.dumps({"case": case, "found": self._known[key]}) + "\n")
            print(f"{time.perf_counter() - started:6.1f} s  {key}  {self._known[key]}", file=sys.stderr, flush=True)
        return self._known[key]

    @staticmethod
    def _key(case: Record) -> str:
        return " ".join(str(value) for value in case.values())
