"""A setup: the line that a server is to be started with."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from segue.commands.doctor.finding import Finding
from segue.settings import Settings
from segue.settings.flags import setting_flags


@dataclass(frozen=True, slots=True)
class Setup:
    """The arguments of `segue serve`, and the settings that they and the variables around them give."""

    arguments: Sequence[str]
    settings: Settings

    def fault(self, text: str, **changes: str | None) -> Finding:
        """The fault that other values of settings fix."""
        return Finding(text, self.line(**changes), changes=changes)

    def line(self, **changes: str | None) -> str:
        """The line that starts a server with other values for some settings; None leaves a setting out."""
        kept = _without(self.arguments, set(changes))
        added = [word for name, value in changes.items() if value is not None for word in (_flag(name), value)]
        return shlex.join(["segue", "serve", *kept, *added])


def _without(arguments: Sequence[str], settings: set[str]) -> list[str]:
    kept, i = list[str](), 0
    while i < len(arguments):
        name, equals, _ = arguments[i].partition("=")
        flag = setting_flags().get(name)
        n_words = 2 if flag is not None and flag.value is None and not equals else 1
        if flag is None or flag.setting not in settings:
            kept += arguments[i : i + n_words]
        i += n_words
    return kept


def _flag(setting: str) -> str:
    """The long name of a setting's flag."""
    return next(name for name, flag in setting_flags().items() if flag.setting == setting and name.startswith("--"))
