"""The files of flags that llama.cpp's programs share: `/etc/llama.cpp/config.ini`, and the user's own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from segue.commands.serve.errors import FlagError

SYSTEM_FILE: Final = Path("/etc/llama.cpp/config.ini")
_SECTIONS: Final = ("*", "default")
"""The sections that concern a server of one model, in the order in which they apply."""
_UNUSED_KEY: Final = "version"
_HEADER: Final = re.compile(r"\[[ \t]*([^\]]+?)[ \t]*\][ \t]*(?:[;#].*)?")
_OPTION: Final = re.compile(r"([A-Za-z_][\w.-]*)[ \t]*=[ \t]*(.*?)[ \t]*(?:[;#].*)?")
_NOTHING: Final = re.compile(r"[ \t]*(?:[;#].*)?")


@dataclass(frozen=True, slots=True)
class ConfigOption:
    """One line of a file: a flag without its dashes, or a variable, and the value."""

    key: str
    value: str


def config_options(environment: Mapping[str, str], system_file: Path = SYSTEM_FILE) -> list[ConfigOption]:
    """The options of both files, the later of which override the earlier ones.

    Raises FlagError for a file that cannot be read, or a line that is none.
    """
    folder = environment.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [option for path in (system_file, Path(folder) / "llama.cpp" / "config.ini") for option in _options(path)]


def _options(path: Path) -> Iterator[ConfigOption]:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, UnicodeDecodeError) as error:
        raise FlagError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    sections: dict[str, dict[str, str]] = {}
    section = sections.setdefault(_SECTIONS[-1], {})
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.fullmatch(line):
            section = sections[header[1]] = {}
        elif option := _OPTION.fullmatch(line):
            section[option[1]] = option[2]
        elif not _NOTHING.fullmatch(line):
            raise FlagError(f"{path}, line {number}: neither a section nor an option; write flag = value")
    for name in _SECTIONS:
        for key, value in sections.get(name, {}).items():
            if key != _UNUSED_KEY:
                yield ConfigOption(key, value)
