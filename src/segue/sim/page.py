"""Writes curves as an interactive page: one file that loads nothing else."""

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from segue.sim.curve import Comparison
from segue.sim.plot import COLOURS

_PLACE = "/* DATA */ null"


def write(comparison: Comparison, path: Path) -> None:
    """Write the page with the data in it."""
    data = json.dumps(asdict(comparison) | {"colours": COLOURS}).replace("</", "<\\/")
    template = files("segue.sim").joinpath("page.html").read_text(encoding="utf-8")
    assert template.count(_PLACE) == 1
    path.write_text(template.replace(_PLACE, data), encoding="utf-8")
