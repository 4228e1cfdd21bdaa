"""The time, as far as a template may learn it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

_CLOCK: Final = "strftime_now"
_FORMATS: Final = {"date_string": "%d %b %Y", "datetime": "%b %d %Y"}
"""Variables that llama-server sets, and the form in which each holds the date."""


def times_at(moment: float) -> dict[str, Any]:
    """The variables by which templates tell the time, all of `moment`, in epoch seconds and this machine's zone."""
    clock = _clock_at(moment)
    return {_CLOCK: clock, **{name: clock(form) for name, form in _FORMATS.items()}}


def may_tell_time(source: str) -> bool:
    """Whether a template may ask for the time."""
    return any(name in source for name in (_CLOCK, *_FORMATS))


def _clock_at(moment: float) -> Callable[[str], str]:
    def strftime_now(format: str) -> str:  # noqa: A002  templates may pass it by name
        return datetime.fromtimestamp(moment).strftime(format)

    return strftime_now
