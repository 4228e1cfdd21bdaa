"""How the tokens of a text make its embedding, by libllama's numbers."""

import llama_cpp
import pytest

from segue.engine.pooling import Pooling


@pytest.mark.parametrize("pooling", Pooling)
def test_the_numbers_are_those_of_libllama(pooling: Pooling) -> None:
    assert pooling == getattr(llama_cpp, f"LLAMA_POOLING_TYPE_{pooling.name}")
