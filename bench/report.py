"""The report: Markdown for people, JSON for machines, a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from bench.part import PARTS
from bench.plot import draw
from bench.row import Row
from bench.table import markdown_table


def write(rows: Sequence[Row], facts: Mapping[str, str], out: Path) -> list[Path]:
    """Write `report.md`, `report.json` and, with matplotlib, `report.png` into `out`; the files written."""
    out.mkdir(parents=True, exist_ok=True)
    picture = out / "report.png"
    picture.unlink(missing_ok=True)
    has_picture = find_spec("matplotlib") is not None and draw(rows, picture)
    written = {"report.md": _markdown(rows, facts, has_picture=has_picture), "report.json": _json(rows, facts)}
    for name, content in written.items():
        (out / name).write_text(content, encoding="utf-8")
    return [*(out / name for name in written), *([picture] if has_picture else [])]


def by_part(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of each part that has any."""
    return {name: found for name in PARTS if (found := [row for row in rows if row.part == name])}


def _markdown(rows: Sequence[Row], facts: Mapping[str, str], *, has_picture: bool) -> str:
    lines = ["# Segue beside llama-server", "", *(f"- {name}: {value}" for name, value in facts.items()), ""]
    lines += [
        "Medians, with the lowest and the highest where there are several; ratios are of values measured in turns."
    ]
    if has_picture:
        lines += ["", "![tokens read, time to first token, speed](report.png)"]
    for name, found in by_part(rows).items():
        lines += ["", f"## {PARTS[name].title}", "", markdown_table(found)]
    return "\n".join(lines) + "\n"


def _json(rows: Sequence[Row], facts: Mapping[str, str]) -> str:
    found = [asdict(row) | {"is_met": row.is_met} for row in rows]
    return json.dumps({"facts": dict(facts), "rows": found}, indent=1) + "\n"
