"""What can happen to the files of a disk."""

import os
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path


class Damage(StrEnum):
    """A way to damage a file."""

    TRUNCATED = "truncated"
    FLIPPED = "flipped"
    DELETED = "deleted"
    SWAPPED = "swapped"
    EMPTIED = "emptied"


def damage(files: Sequence[Path], seed: int, how: Damage) -> None:
    """Damage one of the files, which `seed` picks; those that are gone by now are left alone."""
    if not files:
        return
    file = files[seed % len(files)]
    try:
        data = file.read_bytes()
        if not data:
            return
        at = seed * 7919 % len(data)
        if how is Damage.TRUNCATED:
            os.truncate(file, at)
        elif how is Damage.EMPTIED:
            os.truncate(file, 0)
        elif how is Damage.FLIPPED:
            _overwrite(file, data[:at] + bytes([data[at] ^ (1 << seed % 8)]) + data[at + 1 :])
        elif how is Damage.DELETED:
            file.unlink()
        else:
            other = files[(seed // 7) % len(files)]
            theirs = other.read_bytes()
            _overwrite(other, data)
            _overwrite(file, theirs)
    except FileNotFoundError:
        return


def _overwrite(file: Path, data: bytes) -> None:
    """Change a file, but make none where the writer has just deleted it."""
    with file.open("r+b") as opened:
        opened.write(data)
        opened.truncate()
