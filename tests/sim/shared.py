"""The recordings of traffic that are not part of the repository."""

import os
from pathlib import Path
from typing import Final

import pytest

_AT = Path(os.environ.get("SEGUE_TRACES", Path(__file__).parents[2].parent / "shared" / "traces"))
NO_RECORDINGS: Final = "the recordings are not there: SEGUE_TRACES names their directory"
"""Why a test is skipped, in the README's words."""


def recording(name: str) -> Path:
    """The path of a recording. Raises FileNotFoundError where there is none."""
    path = _AT / name
    if not path.exists():
        raise FileNotFoundError(NO_RECORDINGS)
    return path


def shared(name: str) -> Path:
    """The path of a recording; skips the test where there is none."""
    try:
        return recording(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))
