"""What OpenAI's two completion APIs have in common."""

import secrets
import time

from segue import __version__
from segue.api.events import StopType
from segue.api.service import Service
from segue.api.wire import JsonObject

FINGERPRINT = f"segue-{__version__}"
FINISH_REASONS = {
    StopType.EOS: "stop",
    StopType.WORD: "stop",
    StopType.LIMIT: "length",
    StopType.NONE: "length",
}


def envelope(service: Service, prefix: str, kind: str) -> JsonObject:
    """The fields that all objects of one response share."""
    return {
        "created": int(time.time()),
        "id": f"{prefix}-{secrets.token_urlsafe(24)}",
        "model": service.model_name,
        "system_fingerprint": FINGERPRINT,
        "object": kind,
    }
