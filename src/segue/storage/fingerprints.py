"""Fingerprints in the form in which the index stores them."""

import json


def parsed(text: str) -> dict[str, str]:
    """A fingerprint from its stored JSON; empty if the JSON is damaged."""
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return {}
