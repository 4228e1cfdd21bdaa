"""Packs bytes for the disk where that saves space.

A state consists of 16- or 32-bit floats: their exponents are alike, the rest is noise. So bytes are grouped by their
place in items of 4. `bench/codecs.py` shows that this saves 14 to 32 % of f16, f32 and bf16 states; items of 2 save no
more.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
import zstandard
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

RAW: Final = 0
PLANES: Final = 1
"""One zstd frame: of each block the first bytes of all items, then the second bytes, and so on, packed separately."""

_N_ITEM = 4
_N_BLOCK = 1 << 20
_N_SAMPLE = 1 << 20
_LEVEL = 1
_PAYS = 0.9


def encode(data: Bytes) -> tuple[int, Bytes]:
    """The codec and the bytes: packed if that saves a tenth, otherwise RAW with the same array.

    Any thread. A sample from the middle decides first, so that incompressible bytes cost little.
    """
    start = max(0, len(data) - _N_SAMPLE) // 2 // _N_ITEM * _N_ITEM
    sample = data[start : start + _N_SAMPLE]
    if pack(sample, int(_PAYS * len(sample))) is not None:
        packed = pack(data, int(_PAYS * len(data)))
        if packed is not None:
            return PLANES, packed
    return RAW, data


def decode(codec: int, payload: Bytes, n_raw: int) -> Bytes:
    """The `n_raw` bytes that were encoded; for RAW, the same array. Raises ValueError if the payload is not valid."""
    if codec == PLANES:
        return unpack(payload, n_raw)
    if codec != RAW:
        raise ValueError(f"codec {codec} is unknown")
    if len(payload) != n_raw:
        raise ValueError(f"{len(payload)} bytes are not {n_raw}")
    return payload


def pack(data: Bytes, n_room: int) -> Bytes | None:
    """The bytes in PLANES; None if they need more than `n_room` bytes."""
    packed, n = np.empty(n_room, np.uint8), 0
    for piece in _packed_planes(data):
        if n + len(piece) > n_room:
            return None
        # Numpy copies without the interpreter's lock; joining the pieces in Python would hold it.
        packed[n : n + len(piece)] = np.frombuffer(piece, np.uint8)
        n += len(piece)
    return packed[:n]


def _packed_planes(data: Bytes) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=len(data))
    for plane in _planes(data):
        yield packer.compress(np.ascontiguousarray(plane).data)
        yield packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    yield packer.flush()


def unpack(payload: Bytes, n_raw: int) -> Bytes:
    """The bytes that were packed. Raises ValueError if the payload is not in PLANES, or does not hold `n_raw` bytes."""
    data = np.empty(n_raw, np.uint8)
    scratch = np.empty(_N_BLOCK, np.uint8)
    try:
        if zstandard.frame_content_size(payload.data) != n_raw:
            raise ValueError(f"it does not hold {n_raw} bytes")
        reader = zstandard.ZstdDecompressor().stream_reader(payload.data)
        for plane in _planes(data):
            packed = scratch[: len(plane)]
            if reader.readinto(packed.data) != len(plane):
                raise ValueError(f"it ends before {n_raw} bytes")
            plane[:] = packed
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return data


def _planes(data: Bytes) -> Iterator[Bytes]:
    for start in range(0, len(data), _N_BLOCK):
        block = data[start : start + _N_BLOCK]
        for place in range(min(_N_ITEM, len(block))):
            yield block[place::_N_ITEM]
