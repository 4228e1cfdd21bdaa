"""What fitting expects to lie on a Vulkan device and on the host is what libllama then puts there."""

import re
from collections import Counter
from contextlib import closing
from dataclasses import replace

import llama_cpp
import pytest

from segue.engine import libllama
from segue.engine.context_params import ContextParams, create_context
from segue.engine.devices import list_devices
from segue.engine.fitting import Fitting
from segue.engine.model import Model, ModelParams
from segue.engine.placement import TensorPlace
from segue.fit.asked import Asked
from segue.fit.choice import FitChoice
from tests.kit.models import MODELS, model_path

pytestmark = pytest.mark.vulkan

MIB = 1 << 20
DEVICE = "Vulkan0"
FREE_BYTES = 256 * MIB
_BUFFER = re.compile(r"(\S+) +(model|KV|RS|compute|output) buffer size = +([\d.]+) MiB")


def params(n_cells: int, n_seq_max: int) -> ContextParams:
    return ContextParams(n_cells=n_cells, n_seq_max=n_seq_max, n_threads=1, flash_attention="off")


def loaded(name: str, model_params: ModelParams, context: ContextParams) -> Counter[tuple[str, str]]:
    """The sizes of all buffers in MiB, by device and by what they hold."""
    sizes: Counter[tuple[str, str]] = Counter()
    with libllama.recorded() as lines:
        model = Model(model_path(name), model_params)
        first = len(lines)
        llama_cpp.llama_free(create_context(model, context))
        model.close()
    start = max(i for i, line in enumerate(lines) if line.startswith("llama_context: constructing"))
    for line in (*lines[:first], *lines[start:]):
        if found := _BUFFER.search(line):
            sizes[found[1], found[2]] += float(found[3])  # type: ignore[assignment]
    return sizes


@pytest.fixture(autouse=True)
def small_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the device have so much free, whatever else runs on this machine."""
    listed = [replace(device, free_bytes=FREE_BYTES) if device.is_gpu else device for device in list_devices()]
    monkeypatch.setattr("segue.engine.fitting.list_devices", lambda: listed)


def choose(name: str, n_on_devices: int | None, places: tuple[TensorPlace, ...]) -> tuple[FitChoice, ModelParams]:
    with closing(Fitting(model_path(name), ModelParams(tensor_places=places), params)) as fitting:
        assert fitting.has_devices
        wanted = Asked(
            n_slots=2,
            n_ctx_train=131_072,
            n_ctx_most=131_072,
            n_on_devices=n_on_devices,
            overrides=fitting.tensor_places,
        )
        choice = fitting.choose(wanted, (0,))
        return choice, fitting.params(choice.placement)


@pytest.mark.parametrize(
    ("name", "n_on_devices", "places"),
    [
        *((name, n_on_devices, ()) for name in MODELS for n_on_devices in (None, 2)),
        ("qwen35moe", None, (("exps", "CPU"),)),
    ],
)
def test_a_choice_takes_what_was_expected(name: str, n_on_devices: int | None, places: tuple[TensorPlace, ...]) -> None:
    choice, model_params = choose(name, n_on_devices, places)
    sizes, device = choice.sizes, choice.usages[0]
    found = loaded(name, model_params, params(sizes.n_cells, sizes.n_seq_max))
    assert device.weights / MIB == pytest.approx(found[DEVICE, "model"], abs=0.1)
    memory = found[DEVICE, "KV"] + found[DEVICE, "RS"]
    assert memory - 0.1 <= (device.cells + device.states) / MIB <= 1.01 * memory + 1
    # On Mesa's software driver, computing with very large tensors is left to the host.
    assert found[DEVICE, "compute"] - 0.1 <= device.compute / MIB
    assert sum(size for (where, _), size in found.items() if where == DEVICE) * MIB <= FREE_BYTES
