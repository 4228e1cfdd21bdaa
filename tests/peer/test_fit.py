"""The model of llama-server's choice of a context chooses as llama-server does, where both can run: without devices."""

from itertools import product

import psutil
import pytest

from segue.engine.context_params import ContextParams
from segue.engine.dry_run import dry_context
from segue.engine.layout import read_layout
from segue.engine.model import Model, ModelParams
from tests.fit.llama_fit import LlamaDevice, llama_context
from tests.kit.models import model_path
from tests.peer.servers import llama_server

pytestmark = [pytest.mark.acceptance, pytest.mark.client_ci]

N_LEAST = 4096
STEP = 256
MIB = 1 << 20


def used_bytes(model: Model, n_ctx: int) -> int:
    """What llama-server takes with four slots: weights, caches and buffers."""
    weights = sum(tensor.n_bytes for tensor in read_layout(model.path, model.meta).tensors)
    context = dry_context(model, ContextParams(n_cells=n_ctx, n_seq_max=4))
    return int(weights + sum(cache.n_bytes for cache in context.caches) + sum(context.buffers.values()))


@pytest.mark.parametrize(
    ("name", "left_mib"),
    [
        ("gemma3", 20),
        *(pytest.param(*case, marks=pytest.mark.long) for case in product(("llama", "gemma3", "qwen35"), (40, 1000))),
        *(pytest.param(name, 20, marks=pytest.mark.long) for name in ("llama", "qwen35")),
    ],
)
def test_a_context_is_chosen_as_by_llama_server(name: str, left_mib: int) -> None:
    # llama-server counts the whole memory of the host as free.
    total_bytes = psutil.virtual_memory().total
    target_mib = total_bytes // MIB - left_mib
    model = Model(model_path(name), ModelParams(is_dry=True))
    try:
        least, most = used_bytes(model, N_LEAST), used_bytes(model, model.n_ctx_train)
        per_token = (most - least) / (model.n_ctx_train - N_LEAST)
        memory = LlamaDevice(
            free_bytes=total_bytes,
            target_bytes=target_mib * MIB,
            base_bytes=least - per_token * N_LEAST,
            token_bytes=per_token,
            weight_bytes=0,
        )
        expected = llama_context(
            [memory], n_ctx_train=model.n_ctx_train, n_ctx_least=N_LEAST, n_layers=1, has_experts=False
        )
    finally:
        model.close()
    flags = ("--parallel", "4", "--fit-target", str(target_mib))
    with llama_server(model_path(name), (*flags, "--kv-unified")) as llama:
        offered = llama.get("/props").json()["default_generation_settings"]["n_ctx"]
    assert abs(offered - expected) <= STEP
    assert offered == model.n_ctx_train or left_mib < 1000
