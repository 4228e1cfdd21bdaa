"""What is wrong with a setup."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, and the line that mends it; advice if the setup works nonetheless.

    `changes` are those of settings that mend it, and None for a setting that is to be left out.
    """

    text: str
    mend: str
    is_wrong: bool = True
    changes: Mapping[str, str | None] = field(default_factory=dict)
