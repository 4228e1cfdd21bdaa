"""Real models on simulated devices: the choice fits, hardly anything is left, and llama-server offers no more context.

llama-server's choice on devices is that of a model of its code (`llama_fit`), which could be checked against its log
without devices only: `test_llama_fit`.
"""

from collections.abc import Sequence
from itertools import combinations_with_replacement, pairwise

import pytest

from segue.fit.choice import FitChoice
from segue.fit.demand import Demand
from segue.fit.memory_devices import DeviceMemory
from segue.fit.placement import Placement
from segue.fit.places import Places
from segue.fit.sizes import N_PARKED_MOST, Sizes
from tests.fit.llama_fit import LlamaDevice, llama_context
from tests.fit.simulated import GIB, HOST, asked, buffers, devices, fit, layout, measured
from tests.kit.real_shapes import REAL_SHAPES
from tests.kit.shape_files import QUANTISATIONS

SIZES_GIB = (8, 16, 24, 96)
N_LEAST = 4096
_MILLION = 1 << 20


def recounted(name: str, quantisation: str, choice: FitChoice, memories: Sequence[DeviceMemory]) -> list[int]:
    """What the choice takes on each device, added up from the tensors and not by the code under test."""
    known, sizes, placement = measured(name), choice.sizes, choice.placement
    totals = list(buffers(name, memories)(placement, sizes.n_cells, sizes.n_seq_max).values())
    for tensor in layout(name, quantisation).loaded:
        device = placement.device(known.layout.n_layers if tensor.layer is None else tensor.layer)
        is_on_host = tensor.is_input or (tensor.is_expert and (tensor.layer or 0) < placement.n_host_experts)
        if device is not None and not is_on_host:
            totals[device] += tensor.n_bytes
    for layer, memory in enumerate(known.memory.layers):
        device = placement.device(layer)
        if device is not None:
            state = memory.n_bytes_state * sizes.n_seq_max + memory.n_bytes_batch
            totals[device] += int(memory.n_bytes_cell * sizes.n_cells + state)
    return totals


def llama(name: str, quantisation: str, memories: Sequence[DeviceMemory], n_seq: int) -> int:
    """The context that llama-server offers for so many sequences."""
    demand = Demand(
        memories, HOST, layout(name, quantisation), measured(name).memory, asked(name), buffers(name, memories)
    )
    usual = Places(demand).usual()
    demand.buffers.measure(usual)
    empty, full = demand.usages(usual, 0, n_seq), demand.usages(usual, _MILLION, n_seq)
    known = [
        LlamaDevice(
            free_bytes=memory.free_bytes,
            target_bytes=memory.target_bytes,
            base_bytes=low.used,
            token_bytes=(high.used - low.used) / _MILLION,
            weight_bytes=low.weights,
        )
        for memory, low, high in zip(memories, empty, full, strict=False)
    ]
    return llama_context(
        known,
        n_ctx_train=measured(name).n_ctx_train,
        n_ctx_least=N_LEAST,
        n_layers=usual.n_layers,
        has_experts=demand.layout.has_experts,
    )


def check(name: str, quantisation: str, choice: FitChoice, memories: Sequence[DeviceMemory]) -> None:
    used = recounted(name, quantisation, choice, memories)
    sizes, n_ctx_train = choice.sizes, measured(name).n_ctx_train
    for memory, n_bytes in zip(memories, used, strict=True):
        assert n_bytes <= memory.free_bytes - memory.target_bytes
    # More than a full context for every slot and for the path used last is of no use, nor are more parked checkpoints.
    is_sated = sizes.n_ctx == n_ctx_train and sizes.n_parked == N_PARKED_MOST and sizes.n_cells >= 5 * n_ctx_train
    left = sum(m.free_bytes - m.target_bytes - n for m, n in zip(memories, used, strict=True))
    assert is_sated or left <= 0.05 * sum(memory.total_bytes for memory in memories)
    assert_offers_as_much_as_llama_server(name, quantisation, choice, memories)


def assert_offers_as_much_as_llama_server(
    name: str, quantisation: str, choice: FitChoice, memories: Sequence[DeviceMemory]
) -> None:
    """Apart from the states of sequences that llama-server does not have: one for copies, and the parked ones."""
    n_ctx = choice.sizes.n_ctx
    if n_ctx == measured(name).n_ctx_train:
        return
    alike = llama(name, quantisation, memories, n_seq=choice.sizes.n_seq_max)
    # On several devices llama-server estimates, and moves layers to the host where the estimate was too high.
    assert n_ctx >= alike or not any_split_holds(name, alike, choice.sizes.n_seq_max, memories)
    # Parked ones are never worth more than a little of the context.
    assert n_ctx >= llama(name, quantisation, memories, n_seq=5) * 31 // 32 or len(memories) > 1


@pytest.mark.parametrize("size_gib", SIZES_GIB)
@pytest.mark.parametrize("quantisation", QUANTISATIONS)
@pytest.mark.parametrize("name", REAL_SHAPES)
def test_one_device(name: str, quantisation: str, size_gib: int) -> None:
    memories = devices(size_gib)
    choice = fit(name, quantisation, memories)
    check(name, quantisation, choice, memories)
    assert choice.sizes.n_ctx >= N_LEAST


@pytest.mark.parametrize("sizes_gib", [(24, 24), (8, 24), (24, 16, 8), (96, 96)])
@pytest.mark.parametrize("name", REAL_SHAPES)
def test_several_devices(name: str, sizes_gib: tuple[int, ...]) -> None:
    memories = devices(*sizes_gib)
    choice = fit(name, "Q4_K_M", memories)
    used = recounted(name, "Q4_K_M", choice, memories)
    for memory, n_bytes in zip(memories, used, strict=True):
        assert n_bytes <= memory.free_bytes - memory.target_bytes
    assert_offers_as_much_as_llama_server(name, "Q4_K_M", choice, memories)


def any_split_holds(name: str, n_ctx: int, n_seq: int, memories: Sequence[DeviceMemory]) -> bool:
    """Whether the whole model and such a context fit on the devices in any split by layers."""
    n_layers = measured(name).layout.n_layers
    ends = combinations_with_replacement(range(n_layers + 2), len(memories) - 1)
    sizes = Sizes(n_ctx, n_ctx, 0, n_seq)
    for cut in ends:
        counts = tuple(end - start for start, end in pairwise((0, *cut, n_layers + 1)))
        used = recounted(name, "Q4_K_M", FitChoice(Placement(n_layers, counts), sizes, ()), memories)
        if all(n <= memory.free_bytes - memory.target_bytes for n, memory in zip(used, memories, strict=True)):
            return True
    return False


@pytest.mark.parametrize("name", REAL_SHAPES)
def test_a_context_that_was_asked_for_is_kept_and_comes_before_what_is_parked(name: str) -> None:
    for size_gib in SIZES_GIB:
        for n_ctx in (32_768, 100_000):
            memories = devices(size_gib)
            choice = fit(name, "Q4_K_M", memories, n_ctx=n_ctx)
            assert choice.sizes.n_ctx == n_ctx
            assert choice.sizes.n_cells >= n_ctx
            assert recounted(name, "Q4_K_M", choice, memories)[0] <= memories[0].free_bytes - memories[0].target_bytes


@pytest.mark.parametrize("name", [name for name in REAL_SHAPES if name != "Qwen3.6-27B"])
def test_experts_leave_the_device_before_layers_do(name: str) -> None:
    placement = fit(name, "Q4_K_M", devices(8)).placement
    assert placement.n_on_host == 0
    assert placement.n_host_experts > 0
    assert fit(name, "Q4_K_M", devices(96)).placement.n_host_experts == 0


def test_a_dense_model_leaves_the_device_by_layers() -> None:
    placement = fit("Qwen3.6-27B", "Q4_K_M", devices(16)).placement
    assert 0 < placement.n_on_host < 10
    assert placement.n_host_experts == 0


def test_the_sizes_of_the_files_are_about_those_that_are_published() -> None:
    published_gib = {"Qwen3.6-27B": 15.6, "Qwen3.5-122B-A10B": 69, "LFM2-24B-A2B": 13.5, "Gemma-4-26B-A4B": 15.7}
    for name, size_gib in published_gib.items():
        total = sum(tensor.n_bytes for tensor in layout(name, "Q4_K_M").tensors)
        assert total == pytest.approx(size_gib * GIB, rel=0.12)
