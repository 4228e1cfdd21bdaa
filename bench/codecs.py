"""`python -m bench.codecs`: how well, and how fast, real states pack; what `segue.storage.codec` was chosen by."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import zstandard
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from segue.engine.base import Chunk
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from segue.engine.state import part_of
from segue.storage.codec import pack, unpack
from tests.kit.models import gemma3_270m_path, model_path

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Codec:
    """A way to pack bytes; `decode` gets the packed bytes and how many they were."""

    name: str
    encode: Callable[[Bytes], Bytes]
    decode: Callable[[Bytes, int], object]


_N_TOKENS: Final = 2000
_N_RUNS: Final = 5
_TEXT: Final = Path(__file__).parents[1] / "README.md"


def main() -> None:
    """Show a table for each state."""
    codecs = list(_codecs())
    for title, state in _states():
        table = Table(title=f"{title}: {state.nbytes / 1e3:,.0f} kB", title_justify="left")
        for column in ("codec", "stored / raw", "encode MB/s", "decode MB/s"):
            table.add_column(column, justify="left" if column == "codec" else "right")
        for codec in codecs:
            table.add_row(*_cells(codec, state))
        Console(width=100).print(table)


def _cells(codec: _Codec, state: Bytes) -> list[str]:
    packed = codec.encode(state)
    encode_s = _best_s(lambda: codec.encode(state))
    decode_s = _best_s(lambda: codec.decode(packed, len(state)))
    speeds = (f"{state.nbytes / seconds / 1e6:,.0f}" for seconds in (encode_s, decode_s))
    return [codec.name, f"{len(packed) / len(state):.3f}", *speeds]


def _codecs() -> Iterator[_Codec]:
    yield _Codec("raw, a copy", np.copy, lambda packed, _: np.copy(packed))
    for level in (1, 3):
        yield _Codec(f"zstd {level}, all at once", partial(_zstd, level), _unpack_zstd)
    yield _Codec("segue", _pack, unpack)
    yield from _blosc2_codecs()


def _pack(data: Bytes) -> Bytes:
    packed = pack(data, 2 * len(data))
    assert packed is not None
    return packed


def _zstd(level: int, data: Bytes) -> Bytes:
    return np.frombuffer(zstandard.ZstdCompressor(level).compress(data.data), np.uint8)


def _unpack_zstd(packed: Bytes, _: int) -> object:
    return zstandard.ZstdDecompressor().decompress(packed.data)


def _blosc2_codecs() -> Iterator[_Codec]:
    """Of blosc2, where it is installed, the shuffle before two of its codecs."""
    try:
        import blosc2
    except ModuleNotFoundError:
        return

    def encode(codec: Any, n_item: int, data: Bytes) -> Bytes:
        filters = [blosc2.Filter.SHUFFLE]
        packed = blosc2.compress2(data, codec=codec, clevel=1, typesize=n_item, filters=filters, nthreads=1)
        return np.frombuffer(packed, np.uint8)

    def decode(packed: Bytes, _: int) -> object:
        return blosc2.decompress2(packed, nthreads=1)

    for codec in (blosc2.Codec.ZSTD, blosc2.Codec.LZ4):
        for n_item in (2, 4):
            yield _Codec(f"blosc2 {codec.name.lower()} 1, items of {n_item}", partial(encode, codec, n_item), decode)


def _states() -> Iterator[tuple[str, Bytes]]:
    text = _TEXT.read_text()
    for type_kv in ("f16", "f32", "bf16", "q8_0"):
        yield f"Gemma 3 270M, {type_kv}", _state(gemma3_270m_path(), text, type_kv)
    for name in ("mamba2", "qwen35-25m"):
        yield f"{name}, drawn weights, f16", _state(model_path(name), text, "f16")


def _state(path: Path, text: str, type_kv: str) -> Bytes:
    """The whole state of a sequence that has read the beginning of a text."""
    model = Model(path)
    params = ContextParams(
        n_cells=_N_TOKENS + 48, n_seq_max=1, n_batch=512, n_threads=2, type_k=type_kv, type_v=type_kv
    )
    context = Context(model, params, measure(model, params))
    tokens = model.vocabulary.tokenize(text, add_special=True, parse_special=False)[:_N_TOKENS]
    for start in range(0, len(tokens), context.n_batch):
        context.decode([Chunk(0, tokens[start : start + context.n_batch])])
    state = part_of(context.save(0, partial=False))
    context.close()
    model.close()
    return state


def _best_s(work: Callable[[], object]) -> float:
    """Seconds of the best of some runs."""
    seconds = []
    for _ in range(_N_RUNS):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    main()
