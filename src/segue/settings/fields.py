"""How a setting is declared: its flag, its variable, and the types of values that are written as text."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Group, Parameter, Token
from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

INT32_MAX = 2**31 - 1
_SWITCHES = {"enabled": True, "disabled": False}


@dataclass(frozen=True, slots=True)
class Implied:
    """The value of a flag that is followed by none, as older lines have it."""

    value: str


class SettingsGroup(BaseSettings):
    """The settings under one heading of the help text."""

    model_config = SettingsConfigDict(env_prefix="SEGUE_", populate_by_name=True, extra="forbid", frozen=True)


def flag(group: Group, *names: str, negative: str | tuple[str, ...] = "", is_empty: bool = False) -> Parameter:
    """Declare the flag of a setting. The help text shows no default if that `is_empty`."""
    return Parameter(name=names, group=group, negative=negative, negative_iterable=(), show_default=not is_empty)


def path_flag(group: Group, *names: str) -> Parameter:
    """Declare the flag of a path, which stays as it was passed: an empty Path would become the current directory."""
    return Parameter(name=names, group=group, negative="", show_default=False, converter=_text)


def env(name: str, default: object, text: str, **limits: Any) -> Any:
    """Declare a setting with llama-server's variable."""
    return Field(default=default, validation_alias=name, description=f"{text} (env: {name})", **limits)


def own(default: object, text: str, **limits: Any) -> Any:
    """Declare a setting whose variable is its name in capitals after `SEGUE_`."""
    return Field(default=default, description=text, **limits)


def _text(_: object, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def _switch(value: object) -> object:
    return _SWITCHES.get(value, value) if isinstance(value, str) else value


def _csv(value: object) -> object:
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, (list, tuple)):
        return [item.strip() for part in parts for item in str(part).split(",") if item.strip()]
    return value


def _slashed(value: object) -> object:
    """Values that commas or slashes separate; at least one."""
    values = _csv(value.replace("/", ",") if isinstance(value, str) else value)
    if values in ([], ()):
        raise ValueError("pass a number, or one for each device")
    return values


def _path(value: object) -> object:
    if value == "":
        raise ValueError("the path is empty, as from a variable that is not set; pass a path, or leave the flag out")
    return value


def _object(value: object) -> object:
    """An object from JSON, which files of variables leave in the quotes of a shell; of several, all members."""
    if isinstance(value, list):
        objects = [_object(one) for one in value]
        members = [one.items() for one in objects if isinstance(one, dict)]
        # A value that is not an object stays, so that it is refused.
        return dict(chain.from_iterable(members)) if len(members) == len(objects) else objects
    if not isinstance(value, str):
        return value
    text = value.strip()
    return json.loads(text[1:-1] if text[:1] == text[-1:] == "'" else text)


def _choice(value: object) -> object:
    """llama-server's many words for on, off and auto."""
    if not isinstance(value, str):
        return value
    words = {"true": "on", "1": "on", "enabled": "on", "false": "off", "0": "off", "disabled": "off", "-1": "auto"}
    return words.get(value.lower(), value)


def _list(value: object) -> object:
    return [value] if isinstance(value, str) else value


KvType = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"]
Switch = Annotated[bool, BeforeValidator(_switch)]
OnOff = BeforeValidator(_choice)
Csv = Annotated[list[str], NoDecode, BeforeValidator(_csv)]
# Flags of tuples are not added up: the last one counts.
LastCsv = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_csv)]
LastCsvNumbers = Annotated[
    tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], NoDecode, BeforeValidator(_csv)
]
Mebibytes = Annotated[tuple[Annotated[int, Field(ge=0)], ...], NoDecode, BeforeValidator(_slashed)]
Texts = Annotated[list[str], NoDecode, BeforeValidator(_list)]
PathText = Annotated[Path, BeforeValidator(_path)]
JsonText = Annotated[dict[str, Any], NoDecode, BeforeValidator(_object)]
