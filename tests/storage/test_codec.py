from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from segue.storage import codec
from segue.storage.codec import PLANES, RAW, decode, encode, pack, unpack
from tests.storage.making import halves, noise


def packed(data: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """In PLANES, however many bytes that takes."""
    found = pack(data, 2 * len(data) + 5000)
    assert found is not None
    return found


@given(data=st.binary(max_size=300), n_block=st.integers(1, 100))
def test_what_is_packed_is_unpacked(data: bytes, n_block: int) -> None:
    raw = np.frombuffer(data, np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codec, "_N_BLOCK", n_block)
        assert unpack(packed(raw), len(raw)).tobytes() == data


@pytest.mark.parametrize("n", [0, 1, 3, 1000, (1 << 20) + 1, (5 << 20) + 3])
@pytest.mark.parametrize("make", [noise, halves, lambda n: np.zeros(n, np.uint8)])
def test_what_is_encoded_is_decoded(n: int, make: object) -> None:
    data = make(n)  # type: ignore[operator]
    kind, stored = encode(data)
    assert np.array_equal(decode(kind, stored, len(data)), data)
    assert kind == RAW or len(stored) <= 0.9 * len(data)


def test_noise_is_not_packed_nor_copied() -> None:
    data = noise(3 << 20)
    kind, stored = encode(data)
    assert kind == RAW
    assert stored is data
    assert decode(kind, stored, len(data)) is data


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_floats_are_packed(kind: type[np.floating[Any]]) -> None:
    data = np.random.default_rng(0).normal(size=1 << 18).astype(kind).view(np.uint8)
    number, stored = encode(data)
    assert number == PLANES
    assert len(stored) < 0.88 * len(data)


def test_a_sample_that_deceives_costs_nothing() -> None:
    data = noise(64 << 20)
    data[31 << 20 : 33 << 20] = 0
    assert encode(data)[0] == RAW


def test_what_was_not_packed_is_refused() -> None:
    stored = packed(np.zeros(1000, np.uint8))
    for wrong, n in ((stored, 999), (stored[:9], 1000), (noise(100), 1000), (stored[:0], 0)):
        with pytest.raises(ValueError, match=r"."):
            decode(PLANES, wrong, n)


def test_packing_keeps_to_its_room() -> None:
    data = halves(5 << 20)
    n = len(packed(data))
    assert pack(data, n - 1) is None
    assert np.array_equal(pack(data, n), packed(data))  # type: ignore[arg-type]


def test_an_unknown_codec_is_refused() -> None:
    with pytest.raises(ValueError, match="codec 9 is unknown"):
        decode(9, noise(3), 3)
    with pytest.raises(ValueError, match="3 bytes are not 4"):
        decode(RAW, noise(3), 4)
