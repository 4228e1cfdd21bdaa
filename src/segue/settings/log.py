"""The log."""

from typing import Annotated

from cyclopts import Group
from pydantic import field_validator

from segue.settings.fields import PathText, SettingsGroup, env, flag, path_flag

_LOG = Group("Log", sort_key=8)


class LogSettings(SettingsGroup):
    """What is logged, and where."""

    verbosity: Annotated[int, flag(_LOG, "--verbosity", "--log-verbosity", "-lv")] = env(
        "LLAMA_ARG_LOG_VERBOSITY", 3, "1 logs errors, 2 adds warnings, 3 a line for each request, 4 and 5 details."
    )
    log_file: Annotated[PathText | None, path_flag(_LOG, "--log-file")] = env(
        "LLAMA_ARG_LOG_FILE", None, "A file that gets the log too."
    )

    @field_validator("verbosity")
    @classmethod
    def _raise_verbosity(cls, value: int) -> int:
        return max(0, value)
