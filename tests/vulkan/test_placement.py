"""Experts and single tensors in host memory, on a Vulkan device."""

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from segue.build import build
from segue.engine.base import Chunk
from segue.engine.context import Context
from segue.engine.context_params import ContextParams
from segue.engine.devices import list_devices
from segue.engine.errors import ModelError
from segue.engine.fingerprint import fingerprint
from segue.engine.fitting import Fitting
from segue.engine.measurement import measure
from segue.engine.model import Model, ModelParams
from segue.engine.placement import HOST, TensorPlace, experts_on_host
from segue.engine.trial import try_tensor_split
from segue.fit.errors import FitError
from segue.loop.job import Job
from segue.parameters import asked_of, context_params, model_params
from segue.policy.prompt_marks import PromptMarks
from segue.settings import Settings
from tests.kit.conversation import text
from tests.kit.models import model_path
from tests.kit.rig import GREEDY, Heard
from tests.kit.waiting import PATIENCE_S

pytestmark = pytest.mark.vulkan

EXACT: dict[str, Any] = {"cache_type_k": "f32", "cache_type_v": "f32", "flash_attn": "off", "threads": 1}


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    with caplog.at_level(logging.DEBUG, "segue.engine.libllama"):
        yield caplog


def replies(**flags: Any) -> list[list[int]]:
    """The replies to three prompts, two of which begin alike."""
    settings = Settings(model=str(model_path("qwen35moe")), ctx_size=1024, parallel=2, **EXACT, **flags)
    built = build(settings, lambda _: None, lambda *_: None)
    found = []
    try:
        for prompt in (text(1, 60), np.concatenate([text(1, 60), text(2, 30)]), text(3, 40)):
            heard = Heard()
            job = Job(tokens=prompt, sampling=GREEDY, marks=PromptMarks(), n_predict=12)
            built.loop.submit(job, heard)
            assert heard.wait().error is None
            found.append(heard.tokens)
        built.loop.call(built.loop.cache.check_integrity).result(timeout=PATIENCE_S)
    finally:
        built.close()
    return found


@pytest.mark.parametrize(
    ("flags", "n_moved"),
    [
        ({"cpu_moe": True}, 12),
        ({"n_cpu_moe": 2}, 6),
        ({"override_tensor": r"blk\.\d+\.ffn_down_exps=CPU,attn_q\.weight=CPU"}, 5),
        ({"n_gpu_layers": 0, "override_tensor": "exps=Vulkan0"}, 12),
    ],
)
def test_replies_are_those_of_the_whole_model_on_the_device(
    flags: dict[str, Any], n_moved: int, log: pytest.LogCaptureFixture
) -> None:
    whole = replies()
    assert "buffer type overridden" not in log.text
    log.clear()
    assert replies(**flags) == whole
    assert len({line for line in log.text.splitlines() if "buffer type overridden to" in line}) == n_moved


@pytest.mark.parametrize("flags", [{"device": ("none",)}, {"split_mode": "none", "main_gpu": -1}])
def test_nothing_lies_on_a_device_that_is_not_to_be_used(flags: dict[str, Any], log: pytest.LogCaptureFixture) -> None:
    replies(**flags)
    assert "Vulkan0" not in "".join(line for line in log.text.splitlines() if " buffer size" in line)


def test_cells_stay_in_host_memory_if_asked(log: pytest.LogCaptureFixture) -> None:
    whole = replies()
    on_device = cells_of_the_last_context(log)
    assert replies(kv_offload=False) == whole
    on_host = cells_of_the_last_context(log)
    assert ("Vulkan0" in on_device, "Vulkan0" in on_host) == (True, False)


def cells_of_the_last_context(log: pytest.LogCaptureFixture) -> str:
    """libllama's line on where its cells are; contexts that only try things out come before."""
    return [line for line in log.text.splitlines() if " KV buffer size" in line][-1]


def test_a_context_that_the_device_cannot_hold_is_refused_in_a_line() -> None:
    device = next(device for device in list_devices() if device.is_gpu)
    model = Model(model_path("llama"))
    params = ContextParams(n_cells=256, n_seq_max=1)
    n_bytes_cell = measure(model, params).n_bytes_cell
    n_cells = device.total_bytes * 3 // 2 // n_bytes_cell
    with pytest.raises(ModelError, match=r"^a context of \d+ tokens takes \d+ MiB .* Vulkan0 .*smaller --ctx-size"):
        Context(model, replace(params, n_cells=n_cells), measure(model, params))
    context = Context(model, params, measure(model, params))
    context.decode([Chunk(0, text(1, 20))])
    context.close()
    model.close()


@pytest.mark.parametrize("places", [(experts_on_host(),), (experts_on_host(1), (r"attn", HOST))])
def test_places_change_no_fingerprint(places: tuple[TensorPlace, ...]) -> None:
    found = []
    for chosen in ((), places):
        model = Model(model_path("qwen35moe"), ModelParams(tensor_places=chosen))
        params = ContextParams(n_cells=256, n_seq_max=1)
        context = Context(model, params, measure(model, params))
        found.append(fingerprint(context, params))
        context.close()
        model.close()
    assert found[0] == found[1]
    assert found[0]["flash attention"] in ("on", "off")


def test_sizes_are_chosen_from_the_driver_s_figures() -> None:
    """Half of the device shall stay free; a context that was asked for and takes more than the device is refused."""
    device = next(device for device in list_devices() if device.is_gpu)
    target_mib = (device.free_bytes >> 21,)
    settings = Settings(model=str(model_path("qwen35-25m")), parallel=2)
    with closing(Fitting(Path(settings.model), model_params(settings), partial(context_params, settings))) as fitting:
        asked = asked_of(settings, fitting)
        choice = fitting.choose(asked, target_mib)
        on_device, host = choice.usages
        assert (on_device.name, on_device.free_bytes) == (device.name, device.free_bytes)
        assert (on_device.n_layers, host.cells) == (fitting.n_layers, 0)
        assert on_device.left >= 0
        n_ctx = 2 * device.free_bytes * choice.sizes.n_cells // on_device.cells
        with pytest.raises(FitError, match=f"more than {device.name} has for it; try --ctx-size"):
            fitting.choose(replace(asked, n_ctx=n_ctx, n_ctx_most=n_ctx), target_mib)


def test_tensors_are_split_over_devices_or_the_start_is_refused() -> None:
    """libllama splits this model, and aborts on those with a window or recurrent state as soon as they compute."""
    params = ModelParams(split_mode="tensor")
    try_tensor_split(model_path("llama"), params)
    with pytest.raises(ModelError, match=r"^--split-mode tensor: .* pass --split-mode layer$"):
        try_tensor_split(model_path("gemma3"), params)
