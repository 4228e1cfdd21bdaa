"""What is told apart, and that no more is: a stored state is of use wherever it would be written the same."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from segue.demo.model_file import write_model
from segue.engine.base import Chunk
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.fingerprint import fingerprint
from segue.engine.libllama import ggml
from segue.engine.measurement import measure
from segue.engine.model import Model, ModelParams
from segue.engine.rope import RopeParams
from segue.engine.state import part_of
from segue.storage.fingerprints import differences
from tests.kit.architectures import Sizes, longrope
from tests.kit.conversation import text
from tests.kit.models import model_path, names_where

PARAMS: Final = ContextParams(n_cells=512, n_seq_max=2, n_batch=64, n_ubatch=64, n_threads=1)

# A fingerprint, and the state after 20 tokens as it is stored.
CompletedWrite = tuple[dict[str, str], bytes]
Write = Callable[..., CompletedWrite]


@pytest.fixture
def write() -> Iterator[Write]:
    """Tells what a context of a model writes, and under which fingerprint."""
    models: dict[Path, Model] = {}

    def written(path: Path, **options: Any) -> CompletedWrite:
        model = models.setdefault(path, Model(path))
        params = replace(PARAMS, **options)
        context = Context(model, params, measure(model, params))
        try:
            found = fingerprint(context, params)
            context.decode([Chunk(0, text(1, 20))])
            return found, np.asarray(part_of(context.save(0, partial=False))).tobytes()
        finally:
            context.close()

    yield written
    for model in models.values():
        model.close()


def test_rope_factors_are_told_apart_where_a_context_s_size_chooses_them(tmp_path: Path, write: Write) -> None:
    path = tmp_path / "longrope.gguf"
    write_model(path, longrope(Sizes(), n_ctx_original=512), seed=0)
    (least, small), (limit, equal), (large, other) = (write(path, n_cells=n) for n in (256, 512, 768))
    assert least == limit
    assert small == equal
    assert other != equal
    assert differences(limit, large) == "RoPE factors short instead of long"
    # 768 cells for two sequences that do not share them are 384 for each, and libllama makes that 512.
    assert write(path, n_cells=384, is_unified=False)[0]["RoPE factors"] == "short"
    assert write(path, n_cells=768, is_unified=False)[0]["RoPE factors"] == "long"


def test_the_context_the_model_was_trained_with_is_its_original_one_if_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "longrope.gguf"
    write_model(path, longrope(Sizes(), n_ctx_original=None), seed=0)
    model = Model(path)
    model.close()
    assert model.n_ctx_short_rope == model.n_ctx_train == 131072


def test_a_context_s_size_is_not_told_apart_elsewhere(model_name: str, write: Write) -> None:
    small, large = (write(model_path(model_name), n_cells=n) for n in (512, 2048))
    assert small == large


@pytest.mark.parametrize("model_name", names_where(lambda kind: kind.shares_cells), indirect=True)
def test_flash_attention_is_told_apart_by_what_it_comes_to(model_name: str, write: Write) -> None:
    on, off, auto = (write(model_path(model_name), flash_attention=word) for word in ("on", "off", "auto"))
    assert differences(on[0], off[0]) == "flash attention on instead of off"
    assert on[1] != off[1]
    assert auto in (on, off)
    assert write(model_path(model_name), flash_attention="auto", type_v="q8_0")[0]["flash attention"] == "on"


def test_flash_attention_is_told_in_sequences_that_share_nothing(model_name: str, write: Write) -> None:
    on, off = (
        write(model_path(model_name), flash_attention=word, is_unified=False)[0]["flash attention"]
        for word in ("on", "off")
    )
    assert (on, off) == ("on", "off")


def test_how_cells_are_shared_reads_as_a_line(write: Write) -> None:
    shared, split = (
        write(model_path("llama"), is_unified=is_unified, flash_attention="on")[0] for is_unified in (True, False)
    )
    assert differences(shared, split) == "cells unified instead of split among 2 sequences"
    assert differences(split, shared) == "cells split among 2 sequences instead of unified"
    assert split["cells"] == "of 2 sequences", "what is stored already would be of no use"


def test_another_library_in_the_binding_s_place_is_told_apart(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = write(model_path("llama"))[0]
    monkeypatch.setattr(ggml(), "ggml_version", lambda: b"0.1.2")
    theirs = write(model_path("llama"))[0]
    assert re.fullmatch(r"libllama (\S+), ggml \S+ instead of \1, ggml 0\.1\.2", differences(ours, theirs))


def test_a_fingerprint_leaves_the_context_as_it_was(model_name: str) -> None:
    model = Model(model_path(model_name))
    context = Context(model, PARAMS, measure(model, PARAMS))
    fingerprint(context, PARAMS)
    assert context.length(0) == 0
    assert context.span(0) == (-1, -1)
    context.close()
    model.close()


@pytest.mark.parametrize(
    ("rope", "difference"),
    [
        (RopeParams(scaling="linear", freq_scale=0.5), "scaling linear, freq_scale 0.5"),
        (RopeParams(freq_base=20_000.0), "freq_base 20000.0"),
        (RopeParams(scaling="yarn", freq_scale=0.25, yarn_orig_ctx=256), None),
    ],
)
def test_positions_that_are_encoded_otherwise_are_told_apart(
    rope: RopeParams, difference: str | None, write: Write
) -> None:
    plain, other = write(model_path("qwen35")), write(model_path("qwen35"), rope=rope)
    assert plain[1] != other[1]
    assert "RoPE" not in plain[0]
    assert other[0]["RoPE"] == (difference or "scaling yarn, freq_scale 0.25, yarn_orig_ctx 256")


def test_metadata_that_was_replaced_is_told_apart(write: Write) -> None:
    path = model_path("llama")
    overrides = (("llama.rope.freq_base", 20_000.0), ("general.name", "1"), ("general.name", 1))
    model = Model(path, ModelParams(overrides=overrides))
    context = Context(model, PARAMS, measure(model, PARAMS))
    try:
        found = fingerprint(context, PARAMS)
        context.decode([Chunk(0, text(1, 20))])
        state = part_of(context.save(0, partial=False)).tobytes()
    finally:
        context.close()
        model.close()
    assert found["metadata"] == "general.name '1', general.name 1, llama.rope.freq_base 20000.0"
    plain = write(path)
    assert "metadata" not in plain[0]
    assert state != plain[1]
