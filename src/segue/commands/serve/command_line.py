"""Reads a line of `segue serve`, and the variables around it, as llama-server would."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_origin

from segue.commands.serve.answers import Answer, Verdict, answer_to, foreign_flags
from segue.commands.serve.config_files import ConfigOption
from segue.commands.serve.errors import FlagError
from segue.commands.serve.hints import hint
from segue.commands.serve.llama_flags import LlamaFlag
from segue.settings import Settings
from segue.settings.flags import SettingFlag, setting_flags, variables

_ON = frozenset({"on", "enabled", "true", "1"})
_OFF = frozenset({"off", "disabled", "false", "0"})
# With these a flag asks for nothing, so that there is nothing to warn of.
_OFF_VALUES = _OFF | {"none", "-1", ""}
# It took no value in older versions.
_MAY_STAND_ALONE = frozenset({"--log-colors", "--color", "-co"})
_PREFIX = "LLAMA_ARG_"
_UNKNOWN_VARIABLE = "llama-server reads no such variable, or does no longer; it has no effect"
_UNKNOWN_OPTION = "a config.ini of llama.cpp has this, which is no flag of llama-server"
_PRINTS = "prints"
# What two short names of older versions mean together.
_TOGETHER = {("none", "mmap+mlock"): "mlock", ("mmap+mlock", "none"): "mlock", ("mmap+mlock", "mmap"): "mmap+mlock"}


@dataclass(slots=True)
class ServeLine:
    """The settings that flags and variables give, as text, and what to tell the user of those that give none.

    `prints` names a list to print in place of serving, or is empty.
    """

    values: dict[str, str | list[str]] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    prints: str = ""

    def settings(self) -> Settings:
        """The settings, with those of llama-server's variables that no flag overrides. Raises ValidationError."""
        return Settings(**self.values)  # type: ignore[arg-type]

    @property
    def warnings(self) -> list[str]:
        """One line for all flags that are passed over for one reason, where they may be missed."""
        return [f"passed over {', '.join(dict.fromkeys(names))}: {text}" for text, names in self.notes.items()]


def read_line(
    arguments: Sequence[str], environment: Mapping[str, str], config: Sequence[ConfigOption] = ()
) -> ServeLine:
    """Read the arguments of `segue serve`. Raises FlagError for what is refused or unknown.

    Variables override `config`, and arguments override both.
    """
    line = ServeLine()
    for name, value in environment.items():
        _read_variable(line, name, value)
    for name, setting in variables().items():
        if name in environment and get_origin(Settings.model_fields[setting].annotation) is dict:
            # Arguments add to these, where they would override others.
            line.values[setting] = environment[name]
    rest = deque(arguments)
    while rest:
        _read_flag(line, rest)
    below = _read_config(config)
    told = {setting for name, setting in variables().items() if name in environment}
    line.values = {name: value for name, value in below.values.items() if name not in told} | line.values
    for text, names in below.notes.items():
        line.notes.setdefault(text, []).extend(names)
    return line


def _read_config(config: Sequence[ConfigOption]) -> ServeLine:
    """What files of flags set. Options that are not flags may be those of other programs, which share the files."""
    line = ServeLine()
    for option in config:
        name = _flag_of(option.key)
        if name:
            try:
                _read_flag(line, deque([f"{name}={option.value}"]))
            except FlagError as error:
                raise FlagError(f"{error} (from a config.ini of llama.cpp)") from error
        else:
            line.notes.setdefault(_UNKNOWN_OPTION, []).append(option.key)
    return line


def _flag_of(key: str) -> str:
    """The flag that a key of a file means; empty if there is none."""
    known = setting_flags().keys() | foreign_flags().keys()
    variable = variables().get(key)
    if variable is not None:
        return next(name for name, flag in setting_flags().items() if flag.setting == variable)
    found = _foreign_variables().get(key)
    names = (found[0].names[-1],) if found else (f"--{key}", f"-{key}")
    return next((name for name in names if name in known), "")


def _read_flag(line: ServeLine, rest: "deque[str]") -> None:
    name, equals, value = rest.popleft().partition("=")
    name = name.replace("_", "-") if name.startswith("--") else name
    if equals:
        rest.appendleft(value)
    ours, row = setting_flags().get(name), foreign_flags().get(name)
    if ours is not None:
        _set(line, ours, _setting_value(name, ours, rest, has_value=bool(equals)))
    elif row is not None:
        n_values = _n_values(name, row, rest, has_value=bool(equals))
        values = [_next(name, rest) for _ in range(n_values)]
        _answer(line, name, answer_to(row, is_negated=name in row.negatives), " ".join(values) if values else "on")
    elif _is_flag(name):
        raise FlagError(f"unknown flag {name}; {hint(name)}")
    else:
        raise FlagError(f"{name!r} belongs to no flag; the model is passed with --model")


def _setting_value(name: str, flag: SettingFlag, rest: "deque[str]", *, has_value: bool) -> str:
    if flag.value is not None:
        return flag.value if not has_value else _switched(flag.value, rest.popleft())
    if flag.implied is not None and not has_value and _is_end(rest):
        return flag.implied
    return rest.popleft() if has_value else _next(name, rest)


def _switched(value: str, given: str) -> str:
    """What a switch sets that was passed as `--flag=on`, and a negation as `--no-flag=on`."""
    if value == "false" and given.lower() in _ON | _OFF:
        return "false" if given.lower() in _ON else "true"
    return given


def _n_values(name: str, row: LlamaFlag, rest: "deque[str]", *, has_value: bool) -> int:
    if has_value:
        return max(1, row.n_values)
    return 0 if name in _MAY_STAND_ALONE and _is_end(rest) else row.n_values


def _next(name: str, rest: "deque[str]") -> str:
    if not rest or rest[0] in setting_flags() or rest[0] in foreign_flags():
        raise FlagError(f"{name} needs a value")
    return rest.popleft()


def _set(line: ServeLine, flag: SettingFlag, value: str) -> None:
    before = line.values.get(flag.setting)
    if flag.adds and before is not None:
        line.values[flag.setting] = [*([before] if isinstance(before, str) else before), value]
    else:
        line.values[flag.setting] = value


def _answer(line: ServeLine, name: str, answer: Answer, value: str) -> None:
    """Carry out the answer to a flag that is not a setting, or to a variable."""
    if answer.verdict is Verdict.REFUSED:
        raise FlagError(f"{name} is not taken: {answer.text}")
    if answer.verdict is Verdict.WARNED and value.lower() not in _OFF_VALUES:
        line.notes.setdefault(answer.text, []).append(name)
    for setting, meant in answer.stands_for if value.lower() not in _OFF else ():
        if setting == _PRINTS:
            line.prints = meant
        else:
            line.values[setting] = _TOGETHER.get((str(line.values.get(setting)), meant), meant)


def _read_variable(line: ServeLine, name: str, value: str) -> None:
    """Heed a variable that pydantic does not read: a negation, or one of a flag that is not a setting."""
    if name in variables() or not name.startswith((_PREFIX, "MTMD_")):
        return
    found = _foreign_variables().get(name)
    if found is None:
        if name.startswith(_PREFIX):
            line.notes.setdefault(_UNKNOWN_VARIABLE, []).append(name)
        return
    row, is_negation = found
    setting = variables().get(row.env)
    if setting is not None:
        line.values[setting] = "false"
        return
    is_off = row.n_values == 0 and value.lower() in _OFF
    negated = is_negation or (is_off and bool(row.negatives))
    if negated or not is_off:
        _answer(line, name, answer_to(row, is_negated=negated), "on" if row.n_values == 0 else value)


def _foreign_variables() -> dict[str, tuple[LlamaFlag, bool]]:
    """Variables by name, with their flag, and whether they negate it."""
    rows = list(dict.fromkeys(foreign_flags().values()))
    found = {row.env: (row, False) for row in rows if row.env}
    return found | {row.env_off: (row, True) for row in rows if row.env_off and row.env_off not in found}


def _is_end(rest: "deque[str]") -> bool:
    """Whether no value follows: the line ends here, or another flag begins."""
    return not rest or _is_flag(rest[0])


def _is_flag(argument: str) -> bool:
    return len(argument) > 1 and argument[0] == "-" and not (argument[1].isdigit() or argument[1] == ".")
