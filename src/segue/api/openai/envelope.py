"""The fields that OpenAI's two completion APIs share."""

import secrets
import time

from segue.api.replies.serialization import FINGERPRINT, JsonObject
from segue.serving.events import StopType
from segue.serving.service import Service

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
