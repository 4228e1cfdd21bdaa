"""A model is tried on the devices of the machine, and loaded as was chosen; the devices are simulated."""

from collections.abc import Callable
from contextlib import closing

import pytest

from segue.engine import fitting as module
from segue.engine.context_params import ContextParams
from segue.engine.devices import Device, DeviceKind
from segue.engine.fitting import Fitting
from segue.engine.model import ModelParams
from segue.engine.placement import HOST
from segue.fit.asked import Asked
from segue.fit.choice import FitChoice
from segue.fit.placement import Placement
from tests.kit.models import model_path

MIB = 1 << 20
CPU = Device(HOST, "a processor", DeviceKind.CPU, 1 << 34, 1 << 34)


def gpu(number: int, free_bytes: int, kind: DeviceKind = DeviceKind.GPU) -> Device:
    return Device(f"GPU{number}", "simulated", kind, free_bytes, 2 * free_bytes)


def params(n_cells: int, n_seq_max: int) -> ContextParams:
    return ContextParams(n_cells=n_cells, n_seq_max=n_seq_max, n_threads=1)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Gives the machine these devices beside its processor."""

    def give(*devices: Device) -> None:
        monkeypatch.setattr(module, "list_devices", lambda: [*devices, CPU])

    return give


def asked(n_on_devices: int | None = None) -> Asked:
    return Asked(n_slots=2, n_ctx_train=131_072, n_ctx_most=131_072, n_on_devices=n_on_devices)


def choose(wanted: Asked, model_params: ModelParams | None = None, target_mib: tuple[int, ...] = (0,)) -> FitChoice:
    with closing(Fitting(model_path("qwen35moe"), model_params or ModelParams(), params)) as fitting:
        return fitting.choose(wanted, target_mib)


def test_sizes_are_those_of_the_devices_and_not_the_hosts(machine: Callable[..., None]) -> None:
    machine()
    alone = choose(asked())
    machine(gpu(0, 4 * MIB))
    small = choose(asked())
    machine(gpu(0, 8 * MIB))
    large = choose(asked())
    assert len(alone.usages) == 1
    assert [usage.name for usage in large.usages] == ["GPU0", "host"]
    assert small.sizes.n_ctx < large.sizes.n_ctx < alone.sizes.n_ctx
    assert large.usages[0].used <= 8 * MIB


def test_the_target_stays_free_on_each_device(machine: Callable[..., None]) -> None:
    machine(gpu(0, 64 * MIB), gpu(1, 64 * MIB))
    for target_mib in ((16,), (16, 0), (0, 16)):
        both = target_mib * 2 if len(target_mib) == 1 else target_mib
        for usage, target in zip(choose(asked(), target_mib=target_mib).usages, both, strict=False):
            assert usage.target_bytes == target * MIB
            assert usage.used <= (64 - target) * MIB


def test_the_model_is_loaded_where_it_was_tried(machine: Callable[..., None]) -> None:
    machine(gpu(0, 64 * MIB), gpu(1, 64 * MIB))
    with closing(Fitting(model_path("qwen35moe"), ModelParams(tensor_places=(("a", HOST),)), params)) as fitting:
        loaded = fitting.params(Placement(fitting.n_layers, (1, 3), 4))
        assert fitting.n_layers == 4
    assert loaded.n_gpu_layers == 4
    assert loaded.tensor_split == (1.0, 3.0)
    assert loaded.tensor_places == (("a", HOST), (r"^blk\.(1|2|3)\.ffn_(up|down|gate|gate_up)_(ch|)exps", HOST))


def test_placed_tensors_are_those_that_libllama_takes_a_pattern_to_mean(machine: Callable[..., None]) -> None:
    """Classes of characters are not Python's: there, this one means a bracket, a colon or a letter."""
    places = ((r"blk\.[[:digit:]]\.ffn_up_exps", HOST), (r"blk\.1\.ffn_up_exps", HOST))
    machine(gpu(0, 64 * MIB))
    with closing(Fitting(model_path("qwen35moe"), ModelParams(tensor_places=places), params)) as fitting:
        names = frozenset(f"blk.{i}.ffn_up_exps.weight" for i in range(fitting.n_layers))
        assert fitting.tensor_places == ((names, HOST), (frozenset({"blk.1.ffn_up_exps.weight"}), HOST))
    machine()
    with closing(Fitting(model_path("qwen35moe"), ModelParams(tensor_places=places), params)) as fitting:
        assert fitting.tensor_places == ()


def test_a_graphics_card_is_used_before_graphics_of_the_processor(machine: Callable[..., None]) -> None:
    machine(gpu(0, 64 * MIB), gpu(1, 64 * MIB, DeviceKind.IGPU))
    assert [usage.name for usage in choose(asked()).usages] == ["GPU0", "host"]
    machine(gpu(1, 64 * MIB, DeviceKind.IGPU))
    assert [usage.name for usage in choose(asked()).usages] == ["GPU1", "host"]


def test_a_model_that_is_not_split_lies_on_the_main_device(machine: Callable[..., None]) -> None:
    machine(gpu(0, 64 * MIB), gpu(1, 64 * MIB))
    alone = ModelParams(split_mode="none", main_gpu=1)
    assert [usage.name for usage in choose(asked(), alone).usages] == ["GPU1", "host"]
    assert len(choose(asked(), ModelParams(devices=())).usages) == 1


def test_where_each_layer_lies_on_all_devices_the_smallest_decides(machine: Callable[..., None]) -> None:
    machine(gpu(0, 64 * MIB), gpu(1, 16 * MIB))
    choice = choose(asked(n_on_devices=5), ModelParams(split_mode="row"), target_mib=(4,))
    assert choice.usages[0].name == "GPU0+GPU1"
    assert choice.usages[0].free_bytes == 32 * MIB
    assert choice.usages[0].target_bytes == 8 * MIB
