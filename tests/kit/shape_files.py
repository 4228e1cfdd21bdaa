"""GGUF files of real models' shapes without their weights: the headers are whole, and the rest is a hole.

Which tensors a mixed quantisation keeps more bits of follows llama.cpp's usual rule, without its exceptions.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Final

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType, GGUFWriter, TokenType

from tests.kit.real_shapes import REAL_SHAPES, RealShape, Shape
from tests.kit.written_files import written_once

_VERSION = "shapes-1"
_ALIGNMENT = 32
QUANTISATIONS: Final = ("Q4_K_M", "Q6_K", "Q8_0")


def shape_path(name: str, quantisation: str) -> Path:
    """The header of a model of `REAL_SHAPES` in one of `QUANTISATIONS`, before a hole as large as its weights."""
    return written_once(
        f"{name}-{quantisation}.gguf", lambda path: _write(path, REAL_SHAPES[name], quantisation), _VERSION
    )


def tensor_bytes(name: str, quantisation: str) -> Iterator[tuple[str, int]]:
    """The tensors of such a file, with their bytes."""
    for tensor, _, _, n_bytes in _infos(REAL_SHAPES[name], quantisation):
        yield tensor, n_bytes


def _infos(shape: RealShape, quantisation: str) -> Iterator[tuple[str, Shape, GGMLQuantizationType, int]]:
    for name, dimensions in shape.tensors:
        kind = _type(name, dimensions, shape.n_layers, quantisation)
        n_block, n_block_bytes = GGML_QUANT_SIZES[kind]
        yield name, dimensions, kind, prod(dimensions) // n_block * n_block_bytes


def _write(path: Path, shape: RealShape, quantisation: str) -> None:
    writer = GGUFWriter(path, shape.architecture)
    writer.add_name(shape.name)
    for key, value in shape.metadata.items():
        writer.add_key_value(f"{shape.architecture}.{key}", value, *_value_types(value))
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokens += [f"t{i}" for i in range(shape.n_vocab - len(tokens))]
    types = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL, *[TokenType.BYTE] * 256]
    writer.add_tokenizer_model("llama")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([*types, *[TokenType.NORMAL] * (len(tokens) - len(types))])
    n_bytes = 0
    for name, dimensions, kind, n_tensor in _infos(shape, quantisation):
        writer.add_tensor_info(name, dimensions[::-1], np.dtype(np.float16), n_tensor, kind)
        n_bytes += -(-n_tensor // _ALIGNMENT) * _ALIGNMENT
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    writer.close()
    n_header = -(-path.stat().st_size // _ALIGNMENT) * _ALIGNMENT
    with path.open("r+b") as file:
        file.truncate(n_header + n_bytes)


def _type(name: str, dimensions: Shape, n_layers: int, quantisation: str) -> GGMLQuantizationType:
    part = name.split(".")[-2] if name.startswith("blk.") else name
    if len(dimensions) == 1 or part in ("ffn_gate_inp", "conv", "ssm_conv1d", "ssm_alpha", "ssm_beta"):
        return GGMLQuantizationType.F32
    if quantisation != "Q4_K_M":
        wanted = GGMLQuantizationType[quantisation]
    else:
        layer = int(name.split(".")[1]) if name.startswith("blk.") else 0
        eighth = n_layers // 8
        has_more = layer < eighth or layer >= 7 * eighth or (layer - eighth) % 3 == 2
        is_wide = part in ("attn_v", "attn_qkv", "ffn_down", "ffn_down_exps") and has_more
        is_output = part == "output.weight" or (part == "token_embd.weight" and n_layers in (40, 30))
        wanted = GGMLQuantizationType.Q6_K if is_wide or is_output else GGMLQuantizationType.Q4_K
    # Rows that are no multiple of a block of 256 are stored with blocks of 32.
    has_whole_blocks = dimensions[0] % GGML_QUANT_SIZES[wanted][0] == 0
    return wanted if has_whole_blocks else GGMLQuantizationType.Q8_0


def _value_types(value: object) -> tuple[GGUFValueType, ...]:
    if isinstance(value, list):
        return GGUFValueType.ARRAY, GGUFValueType.BOOL if isinstance(value[0], bool) else GGUFValueType.INT32
    return (GGUFValueType.FLOAT32 if isinstance(value, float) else GGUFValueType.UINT32,)
