"""A fault of a setup, and its fix."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault, and the command line that fixes it; advice if the setup works nonetheless.

    `changes` are those of settings that fix it, and None for a setting that is to be left out.
    """

    text: str
    mend: str
    is_wrong: bool = True
    changes: Mapping[str, str | None] = field(default_factory=dict)
