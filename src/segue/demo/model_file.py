"""A GGUF file of random weights: metadata and tensors as data, written in one call."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Literal

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter
from gguf.quants import quantize
from numpy.typing import NDArray

from segue.demo.vocabulary import write_vocabulary

Fill = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.floating]]
WeightType = Literal["F32", "F16", "Q8_0"]
Value = bool | int | float | str | list[int]


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor to be drawn. `shape` is numpy's, the reverse of libllama's; only a matrix may be quantised."""

    name: str
    shape: tuple[int, ...]
    fill: Fill
    is_matrix: bool = False


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model apart from its numbers. The keys of `metadata` lack the prefix `name`, tensors of blocks theirs."""

    name: str
    metadata: Mapping[str, Value]
    tensors: Sequence[Tensor]
    blocks: Sequence[Sequence[Tensor]]


def normal(std: float) -> Fill:
    """Normally distributed around 0."""
    return lambda rng, shape: rng.standard_normal(shape, np.float32) * np.float32(std)


def uniform(low: float, high: float) -> Fill:
    """Uniformly distributed in `[low, high)`."""
    return lambda rng, shape: rng.uniform(low, high, shape)


def constant(value: float) -> Fill:
    """The same everywhere."""
    return lambda _, shape: np.full(shape, value)


def vector(name: str, n: int, value: float = 1.0) -> Tensor:
    """`n` equal weights, as a norm has them."""
    return Tensor(f"{name}.weight", (n,), constant(value))


def matrix(name: str, n_in: int, n_out: int, gain: float = 1.0, n_experts: int | None = None) -> Tensor:
    """A projection that multiplies the standard deviation of its input by `gain`, whatever the sizes."""
    shape = (n_out, n_in) if n_experts is None else (n_experts, n_out, n_in)
    return Tensor(f"{name}.weight", shape, normal(gain / n_in**0.5), is_matrix=True)


def write_model(
    path: str | PathLike[str],
    architecture: Architecture,
    *,
    seed: int,
    weight_type: WeightType = "F32",
    vocabulary: Callable[[GGUFWriter], None] = write_vocabulary,
) -> None:
    """Write the model with random weights; the same arguments give the same bytes.

    Matrices are stored as `weight_type`, all else as F32. `vocabulary` adds as many tokens as the tiny one has.
    """
    writer = GGUFWriter(path, architecture.name)
    writer.add_name(f"tiny-{architecture.name}")
    vocabulary(writer)
    for key, value in architecture.metadata.items():
        _add_metadata(writer, f"{architecture.name}.{key}", value)
    rng = np.random.default_rng(seed)
    for prefix, tensors in [("", architecture.tensors), *((f"blk.{i}.", b) for i, b in enumerate(architecture.blocks))]:
        for tensor in tensors:
            stored_as = GGMLQuantizationType[weight_type if tensor.is_matrix else "F32"]
            data = np.ascontiguousarray(tensor.fill(rng, tensor.shape), np.float32)
            writer.add_tensor(prefix + tensor.name, quantize(data, stored_as), raw_dtype=stored_as)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_metadata(writer: GGUFWriter, key: str, value: Value) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case list():
            writer.add_array(key, value)
