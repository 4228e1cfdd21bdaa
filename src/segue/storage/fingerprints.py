"""Fingerprints as the index has them."""

import json


def parsed(text: str) -> dict[str, str]:
    """A fingerprint from the JSON that it was stored as; empty if that is damaged."""
    try:
        return {str(name): str(value) for name, value in json.loads(text).items()}
    except (ValueError, AttributeError):
        return {}
