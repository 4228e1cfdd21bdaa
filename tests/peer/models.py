"""The models that stand in for those which llama.cpp's tests download."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFValueType, GGUFWriter
from numpy.typing import NDArray

from segue.demo.layers import EMBEDDING_STD
from segue.demo.model_file import Architecture, Tensor, Value, matrix, normal, vector, write_model
from tests.kit.architectures import Sizes, bert, llama
from tests.kit.written_files import written_once
from tests.peer.sentence_pieces import N_TOKENS, spoken_pieces, write_sentence_pieces

_RANK = 4
# What it draws ranks the documents of llama.cpp's tests as those expect it.
_SEED_OF_RANKS = 4
_N_CTX_EMBEDDED = 512
_VERSION = "peer-2"


@cache
def storyteller_path() -> Path:
    """Plain attention over pieces of words: the stand-in for llama.cpp's models that tell stories."""
    plain = llama(Sizes(n_layer=2))
    n_embd = Sizes().n_embd
    tensors = [
        Tensor("token_embd.weight", (N_TOKENS, n_embd), normal(EMBEDDING_STD), is_matrix=True),
        vector("output_norm", n_embd),
        Tensor("output.weight", (N_TOKENS, n_embd), _spoken, is_matrix=True),
    ]
    architecture = replace(plain, tensors=tensors, metadata={**plain.metadata, "context_length": 2048})
    write = partial(write_model, architecture=architecture, seed=0, vocabulary=write_sentence_pieces)
    return written_once("storyteller.gguf", write, _VERSION)


def embedder_path(vocabulary: Path) -> Path:
    """An encoder with the vocabulary of another file, as `bge-small` has it."""
    return _encoder("embedder", vocabulary, {}, [], seed=0)


def reranker_path(vocabulary: Path) -> Path:
    """An encoder that ranks, with the vocabulary of another file."""
    n_embd = Sizes().n_embd
    head = [*_biased("cls", n_embd, n_embd), *_biased("cls.output", n_embd, 1)]
    return _encoder("reranker", vocabulary, {"pooling_type": _RANK}, head, seed=_SEED_OF_RANKS)


def _encoder(name: str, vocabulary: Path, metadata: dict[str, Value], head: list[Tensor], *, seed: int) -> Path:
    def write(path: Path) -> None:
        reader = GGUFReader(vocabulary)
        n_tokens = len(reader.fields["tokenizer.ggml.tokens"].data)
        plain = bert(Sizes(), n_ctx=_N_CTX_EMBEDDED)
        tensors = [
            replace(tensor, shape=(n_tokens, *tensor.shape[1:])) if tensor.name == "token_embd.weight" else tensor
            for tensor in plain.tensors
        ]
        architecture = Architecture(plain.name, {**plain.metadata, **metadata}, [*tensors, *head], plain.blocks)
        write_model(path, architecture, seed=seed, vocabulary=partial(_copy_vocabulary, reader))

    return written_once(f"{name}-{seed}.gguf", write, _VERSION)


def _copy_vocabulary(reader: GGUFReader, writer: GGUFWriter) -> None:
    for name, field in reader.fields.items():
        if name.startswith("tokenizer."):
            kind, *inner = field.types
            writer.add_key_value(name, field.contents(), kind, inner[0] if kind is GGUFValueType.ARRAY else None)


def _biased(name: str, n_in: int, n_out: int) -> list[Tensor]:
    return [matrix(name, n_in, n_out), Tensor(f"{name}.bias", (n_out,), normal(0.1))]


def _spoken(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.floating]:
    return normal(2.5 / shape[-1] ** 0.5)(rng, shape) * spoken_pieces()[:, None]
