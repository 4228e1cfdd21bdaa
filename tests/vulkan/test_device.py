"""What `make vulkan` runs really runs on a Vulkan device."""

import logging

import pytest

from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.measurement import measure
from segue.engine.model import Model
from tests.kit.models import MODELS, model_path
from tests.kit.rig import EXACT


@pytest.mark.vulkan
@pytest.mark.parametrize("name", MODELS)
def test_layers_and_their_memory_are_on_the_device(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "segue.engine.libllama"):
        model = Model(model_path(name))
        params = ContextParams(n_cells=256, n_seq_max=2, n_batch=64, n_ubatch=64, **EXACT)
        context = Context(model, params, measure(model, params))
    context.close()
    model.close()
    assert "offloaded" in caplog.text
    assert "Vulkan0 model buffer size" in caplog.text
    memory = [line for line in caplog.text.splitlines() if " KV buffer size" in line or " RS buffer size" in line]
    assert memory
    assert all("Vulkan0" in line for line in memory)
