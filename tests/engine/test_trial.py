"""Metadata overrides on which libllama aborts."""

import pytest

from segue.engine.errors import ModelError
from segue.engine.trial import try_overrides
from tests.kit.models import model_path


@pytest.mark.parametrize("n_layers", [-1, 100_000])
def test_an_abort_is_an_error_here(n_layers: int) -> None:
    with pytest.raises(ModelError, match=r"^--override-kv: libllama cannot load qwen35.gguf .* qwen35.block_count$"):
        try_overrides(model_path("qwen35"), [("qwen35.block_count", n_layers)])


@pytest.mark.parametrize("override", [("qwen35.context_length", 777), ("qwen35.block_count", 2)])
def test_what_works_or_is_refused_is_left_to_the_load(override: tuple[str, int]) -> None:
    try_overrides(model_path("qwen35"), [override, ("general.name", "other")])
