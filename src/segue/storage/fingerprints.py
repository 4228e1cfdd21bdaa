"""Fingerprints in the form in which the index stores them."""

import json
from collections.abc import Mapping


def parsed(text: str) -> dict[str, str]:
    """A fingerprint from its stored JSON; empty if the JSON is damaged."""
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return {}


def differences(stored: Mapping[str, str], now: Mapping[str, str]) -> str:
    """The differences between two fingerprints, as one line."""
    names = [name for name in {**stored, **now} if stored.get(name) != now.get(name)]
    return ", ".join(f"{name} {_told(stored, name)} instead of {_told(now, name)}" for name in names)


def _told(fingerprint: Mapping[str, str], name: str) -> str:
    """A value for the user; the stored value of `cells` keeps its old form, so that stored states stay valid."""
    value = fingerprint.get(name, "unknown")
    return value.replace("of ", "split among ", 1) if name == "cells" else value
