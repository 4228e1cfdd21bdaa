"""The keys by which entries are found: they follow from the content, so every writer computes the same key."""

import blake3
import numpy as np
from numpy.typing import NDArray

N_BYTES_KEY = 16


def entry_key(fingerprint: str, namespace: str, tokens: NDArray[np.int32]) -> bytes:
    """The key of the entry at the end of a path, under a model's fingerprint. Any thread; linear in the tokens."""
    hashed = blake3.blake3(max_threads=1)
    for text in (fingerprint, namespace):
        data = text.encode()
        hashed.update(len(data).to_bytes(8, "little"))
        hashed.update(data)
    hashed.update(np.ascontiguousarray(tokens, "<i4").view(np.uint8).data)
    return hashed.digest(N_BYTES_KEY)
