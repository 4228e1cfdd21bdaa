"""The files of a GGUF model: their digest and their tensors."""

import re
from pathlib import Path

import blake3

from segue.engine import libllama

_N_SAMPLES = 256
_N_SAMPLE_BYTES = 1 << 14
_N_END_BYTES = 1 << 20
_N_BLOCKS_MOST = 1024
_WITH_MTP = frozenset({"qwen35", "qwen35moe"})
"""Architectures whose layers for multi-token prediction were tried. Others need other steps, or abort libllama."""
_PART = re.compile(r"-00001-of-(\d{5})\.gguf$")


def model_parts(model: Path) -> list[Path]:
    """The file of a model, or all parts of a split one, whether they are there or not."""
    found = _PART.search(model.name)
    if found is None:
        return [model]
    n_parts = int(found[1])
    return [model.with_name(_PART.sub(f"-{i:05}-of-{n_parts:05}.gguf", model.name)) for i in range(1, n_parts + 1)]


def digest(model: Path) -> str:
    """A digest of a model's file, or of all parts of a split one. Raises OSError; reads a few MiB.

    Two files count as the same model if they have the same size, and the same bytes at both ends and at 256 places
    between them, which hit every large tensor.
    """
    hashed = blake3.blake3()
    for path in model_parts(model):
        n_bytes = path.stat().st_size
        hashed.update(n_bytes.to_bytes(8, "little"))
        with path.open("rb") as file:
            hashed.update(file.read(_N_END_BYTES))
            for i in range(_N_SAMPLES):
                file.seek(n_bytes * i // _N_SAMPLES)
                hashed.update(file.read(_N_SAMPLE_BYTES))
            file.seek(max(0, n_bytes - _N_END_BYTES))
            hashed.update(file.read())
    return hashed.hexdigest()[:32]


def has_tensor(model: Path, *names: str) -> bool:
    """Whether a model's file, or one of its parts, has a tensor of one of these names. Raises OSError."""
    return any(libllama.has_tensor(path, names) for path in model_parts(model))


def tensor_sizes(model: Path) -> list[tuple[str, int]]:
    """The tensors of a model's file, or of all its parts, with their bytes. Raises OSError."""
    return [size for path in model_parts(model) for size in libllama.tensor_sizes(path)]


def has_mtp(model: Path) -> bool:
    """Whether a model's file has layers that predict further tokens, and Segue can use them. Raises OSError."""
    if libllama.architecture(model) not in _WITH_MTP:
        return False
    return has_tensor(model, *(f"blk.{i}.nextn.eh_proj.weight" for i in range(_N_BLOCKS_MOST)))
