"""Formats bytes, times and counts."""

import time
from typing import Final

_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB")
_SPANS: Final = ((86_400.0, 2, "d"), (3600.0, 2, "h"), (60.0, 2, "min"))


def size(n_bytes: float) -> str:
    """A size such as 12.3 MiB."""
    for unit in _SIZES:
        if n_bytes < 1000 or unit == _SIZES[-1]:
            break
        n_bytes /= 1024
    return f"{n_bytes:,.0f} {unit}" if unit == "B" else f"{n_bytes:,.1f} {unit}"


def span(seconds: float) -> str:
    """A duration such as 5 h, rounded down; 0 s if a clock was set back."""
    for unit_s, n_least, name in _SPANS:
        if seconds >= n_least * unit_s:
            return f"{seconds // unit_s:.0f} {name}"
    return f"{max(0.0, seconds):.0f} s"


def moment(at: float, now: float) -> str:
    """A wall-clock time in the machine's time zone, and how long ago it was."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(at))} ({span(now - at)} ago)"


def counted(n: int, noun: str) -> str:
    """A number and its noun, in the plural if needed."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"
