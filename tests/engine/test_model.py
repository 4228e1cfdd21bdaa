"""A model's file and the weights that were loaded from it are one."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import llama_cpp
import pytest

from segue.demo.model_file import Value, write_model
from segue.engine import libllama
from segue.engine.errors import ModelError
from segue.engine.model import Model, ModelParams
from segue.engine.model_files import digest
from tests.kit.architectures import Sizes, llama
from tests.kit.models import model_path


def test_a_model_has_the_digest_of_its_file() -> None:
    model = Model(model_path("llama"))
    model.close()
    assert model.digest == digest(model_path("llama"))


def test_a_file_that_is_swapped_while_it_is_loaded_is_refused(tmp_path: Path) -> None:
    path, other = tmp_path / "model.gguf", tmp_path / "other.gguf"
    shutil.copy(model_path("llama"), path)
    shutil.copy(model_path("mamba2"), other)

    def swap(share: float) -> None:
        if share == 1 and other.exists():
            os.replace(other, path)

    with pytest.raises(ModelError, match=r"model\.gguf changed while it was loaded"):
        Model(path, on_progress=swap)


def test_a_part_that_is_missing_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model-00001-of-00002.gguf"
    shutil.copy(model_path("llama"), path)
    with pytest.raises(ModelError, match=r"cannot read .*model-00002-of-00002\.gguf: No such file"):
        Model(path)


def test_errors_are_those_of_the_thread_that_asks(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF" + bytes(100))

    def fail() -> list[str]:
        params = llama_cpp.llama_model_default_params()
        assert not llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        return libllama.pop_errors()

    libllama.start()
    libllama.pop_errors()
    with ThreadPoolExecutor(1) as other:
        assert other.submit(fail).result()
        assert other.submit(libllama.pop_errors).result() == []
    assert libllama.pop_errors() == []
    assert fail()


def test_metadata_that_was_replaced_counts() -> None:
    scaling = (("llama.rope.scaling.original_context_length", 65_536), ("llama.rope.scaling.factor", 4.0))
    model = Model(model_path("llama"), ModelParams(overrides=scaling))
    try:
        assert (model.meta[scaling[0][0]], model.n_ctx_most) == ("65536", 262_144)
    finally:
        model.close()


@pytest.mark.parametrize(
    ("scaling", "n_ctx_most"),
    [
        ({}, 131_072),
        ({"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0}, 131_072),
        (
            {"rope.scaling.type": "yarn", "rope.scaling.factor": 4.0, "rope.scaling.original_context_length": 65_536},
            262_144,
        ),
        ({"rope.scaling.original_context_length": 8192, "rope.scaling.factor": 4.0}, 131_072),
    ],
)
def test_rope_scaling_stretches_what_a_model_can_attend_to(
    scaling: dict[str, Value], n_ctx_most: int, tmp_path: Path
) -> None:
    plain = llama(Sizes())
    write_model(tmp_path / "m.gguf", replace(plain, metadata={**plain.metadata, **scaling}), seed=0)
    model = Model(tmp_path / "m.gguf")
    assert (model.n_ctx_train, model.n_ctx_most) == (131_072, n_ctx_most)
    model.close()
