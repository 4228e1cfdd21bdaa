"""Patterns on which libllama fails, crashes or never ends."""

from pathlib import Path

import pytest

from segue.engine.errors import ModelError
from segue.engine.pattern_trial import matched_tensors
from tests.kit.models import model_path


def test_each_pattern_is_tried_by_itself() -> None:
    everything, nothing, classes = matched_tensors(model_path("llama"), ["", "exps", r"^blk\.[[:digit:]]+\.attn_q\."])
    assert classes == {"blk.0.attn_q.weight", "blk.1.attn_q.weight"} < everything
    assert not nothing


@pytest.mark.parametrize(
    "pattern",
    [
        pytest.param("(a", id="not closed"),
        pytest.param("(?<=a)b", id="not of ECMAScript"),
        pytest.param("a{1000000}", id="too large"),
        pytest.param("(" * 200_000 + ")" * 200_000, id="too deep, which crashes"),
        pytest.param("(.|.)*(.|.)*x", id="never ends"),
    ],
)
def test_a_pattern_that_libllama_cannot_use_is_named(pattern: str) -> None:
    with pytest.raises(
        ModelError, match=r"^--override-tensor: '.{1,105}' is no regular expression .*ECMAScript$"
    ) as told:
        matched_tensors(model_path("llama"), ["exps", pattern, "attn"])
    assert repr(pattern)[:20] in str(told.value)


def test_a_file_that_cannot_be_loaded_is_left_to_the_load(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF and so on")
    assert matched_tensors(path, ["exps", "("]) == [frozenset(), frozenset()]
