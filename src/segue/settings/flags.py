"""Which flags and variables the settings have."""

import functools
from dataclasses import dataclass
from typing import get_origin

from cyclopts import Parameter
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from segue.settings.fields import Implied
from segue.settings.settings import Settings

_FORMS = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "on or off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingFlag:
    """One name of a setting's flag.

    `value` is what a switch sets, and None for a flag that a value follows. `implied` is the value where none follows,
    if the flag may stand alone. A flag that `adds` may be repeated.
    """

    setting: str
    value: str | None = None
    implied: str | None = None
    adds: bool = False


@functools.cache
def setting_flags() -> dict[str, SettingFlag]:
    """All flags of all settings, by name."""
    found = {}
    for setting, field in Settings.model_fields.items():
        implied = next((part.value for part in field.metadata if isinstance(part, Implied)), None)
        adds = get_origin(field.annotation) in (list, dict)
        for parameter in _parameters(field):
            on = "true" if isinstance(field.default, bool) else None
            for name in parameter.name or ():
                found[name] = SettingFlag(setting=setting, value=on, implied=implied, adds=adds)
            for name in filter(None, parameter.negative or ()):
                found[name] = SettingFlag(setting=setting, value="false")
    return found


def variables() -> dict[str, str]:
    """llama-server's variables that are taken, with their settings."""
    aliases = ((field.validation_alias, name) for name, field in Settings.model_fields.items())
    return {alias: name for alias, name in aliases if isinstance(alias, str)}


def explain(error: ValidationError) -> str:
    """Say in a line which flag or variable is wrong, and why; never the value, which may be a key."""
    errors = error.errors()
    setting = errors[0]["loc"][:1]
    name = _first_flag(str(setting[0])) if setting else ""
    same = [other for other in errors if other["loc"][:1] == setting]
    forms = [_form(other) for other in same]
    # A value of several forms has an error for each of them.
    message = f"pass {' or '.join(filter(None, forms))}" if all(forms) else str(errors[0]["msg"])
    message = message.removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def _form(error: ErrorDetails) -> str:
    """The forms that may replace a text that has none of them; an empty text for errors of other kinds."""
    if error["type"] == "literal_error":
        return str(error["ctx"]["expected"]).removeprefix("'', ")
    return _FORMS.get(error["type"], "")


def _first_flag(setting: str) -> str:
    """The flag that stands for a setting in messages, or the name itself if that is not a setting."""
    field = Settings.model_fields.get(setting)
    names = [name for parameter in _parameters(field) for name in parameter.name or ()] if field is not None else []
    return names[0] if names else setting


def _parameters(field: FieldInfo) -> list[Parameter]:
    return [part for part in field.metadata if isinstance(part, Parameter)]
