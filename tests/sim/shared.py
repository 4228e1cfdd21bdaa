"""The recordings that are not part of the repository."""

import os
from pathlib import Path

import pytest

_AT = Path(os.environ.get("SEGUE_TRACES", Path(__file__).parents[2].parent / "shared" / "traces"))


def shared(name: str) -> Path:
    """The path of a recording; skips the test where there is none."""
    path = _AT / name
    if not path.exists():
        pytest.skip(f"no recording at {path}; SEGUE_TRACES names the directory of recordings")
    return path
