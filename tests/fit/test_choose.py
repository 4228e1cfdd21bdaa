"""Placement and sizes on small made-up devices: what was asked for is kept or refused, and the rest is shared."""

from itertools import pairwise
from typing import Any

import pytest

from segue.fit.choice import FitChoice
from segue.fit.choose import choose
from segue.fit.errors import FitError
from segue.fit.figures import ContextFigures
from segue.fit.layout import ModelLayout
from segue.fit.memory_devices import DeviceMemory, HostMemory
from tests.fit.making import MIB, asked, device, figures, layout, no_compute

HOST = HostMemory(1 << 36, 1 << 36)
FIRST_EXPERTS = frozenset({"blk.0.ffn_up_exps.weight"})


def on(
    memories: list[DeviceMemory],
    shape: ModelLayout | None = None,
    memory: ContextFigures | None = None,
    host: HostMemory = HOST,
    **settings: Any,
) -> FitChoice:
    return choose(memories, host, shape or layout(), memory or figures(), asked(**settings), no_compute)


def test_a_device_that_does_not_tell_what_is_free_asks_for_a_context() -> None:
    blind = DeviceMemory("GPU0", 0, 0)
    with pytest.raises(FitError, match=r"^GPU0 does not tell .* with --ctx-size$"):
        on([blind])
    choice = on([blind], n_ctx=4096)
    assert choice.placement.n_on == (5,)
    assert (choice.sizes.n_cells, choice.sizes.n_parked) == (4096, 4)


def test_what_was_asked_for_and_does_not_fit_is_refused_with_what_to_do() -> None:
    with pytest.raises(FitError) as refused:
        on([device(6 * MIB)], n_ctx=4000, n_on_devices=5)
    message = str(refused.value)
    # 5 MiB of weights and 4 MB of cells in 6 MiB.
    assert "needs 3 MiB more than GPU0 has" in message
    assert "fewer --n-gpu-layers" in message
    n_fits = int(message.split("--ctx-size ")[1].split()[0])
    assert on([device(6 * MIB)], n_ctx=n_fits, n_on_devices=5).sizes.n_ctx == n_fits
    with pytest.raises(FitError):
        on([device(6 * MIB)], n_ctx=n_fits + 256, n_on_devices=5)


def test_layers_that_were_placed_stay_there() -> None:
    assert on([device(100 * MIB)], n_on_devices=2).placement.n_on == (2,)
    assert on([device(100 * MIB)], n_on_devices=0).placement.n_on_host == 5
    two = [device(100 * MIB, "GPU0"), device(100 * MIB, "GPU1")]
    assert on(two, shares=(3.0, 1.0)).placement.n_on == (4, 1)
    assert on(two, n_on_devices=4, shares=(1.0, 1.0)).placement.n_on == (2, 2)


def test_tensors_that_were_placed_count_where_they_are() -> None:
    shape = layout(n_expert_bytes=8 * MIB)
    experts = frozenset(tensor.name for tensor in shape.tensors if tensor.is_expert)
    host_experts = on([device(100 * MIB)], shape, overrides=((experts, "CPU"),), n_ctx=1000)
    assert host_experts.usages[0].weights == 5 * MIB
    assert host_experts.usages[-1].weights == 33 * MIB
    two = [device(100 * MIB, "GPU0"), device(100 * MIB, "GPU1")]
    moved = on(two, shape, overrides=((FIRST_EXPERTS, "GPU1"), (experts, "GPU0")), shares=(1.0, 0.0), n_ctx=1000)
    assert moved.usages[1].weights == 8 * MIB


def test_without_fitting_nothing_is_moved_and_the_whole_context_is_taken() -> None:
    choice = on([device(3 * MIB)], is_fitted=False)
    assert choice.placement.n_on == (5,)
    assert choice.sizes.n_ctx == 8192
    assert choice.usages[0].left < 0


def test_parked_checkpoints_are_kept_or_refused_if_asked_for() -> None:
    memory = figures(state=MIB)
    # Half of 20 MiB for states of 1 MiB, and the rest for cells of 1000 bytes, as far as they are of use.
    choice = on([device(100 * MIB)], memory=memory, n_ctx=2048, parked_mib=20)
    assert choice.sizes.n_parked == 10
    assert choice.sizes.n_cells == 4096 + choice.sizes.n_idle_cells
    assert on([device(100 * MIB)], memory=memory, n_ctx=2048, parked_mib=0).sizes.n_parked == 0
    with pytest.raises(FitError, match=r"10 parked checkpoints .* a smaller --cache-parked"):
        on([device(12 * MIB)], memory=memory, n_ctx=2048, parked_mib=20, n_on_devices=5)


def test_a_context_that_was_asked_for_leaves_what_it_can_to_parked_checkpoints() -> None:
    memory = figures(state=MIB)
    few, many = (on([device(size * MIB)], memory=memory, n_ctx=4096) for size in (20, 40))
    assert few.sizes.n_ctx == many.sizes.n_ctx == 4096
    assert 0 < few.sizes.n_parked < many.sizes.n_parked


def test_graphics_that_share_the_hosts_memory_leave_less_to_the_host() -> None:
    host = HostMemory(100 * MIB, 100 * MIB)
    apart, shared = (
        on([DeviceMemory("GPU0", 60 * MIB, 60 * MIB, is_shared=is_shared)], host=host, n_ctx=4096)
        for is_shared in (False, True)
    )
    used = shared.usages[0].used
    assert apart.sizes.n_host_bytes - shared.sizes.n_host_bytes == pytest.approx(used / 4, abs=8)


def test_cells_that_stay_on_the_host_need_no_room_on_the_device() -> None:
    choice = on([device(6 * MIB)], n_ctx=8192, is_kv_offloaded=False)
    assert choice.usages[0].cells == 0
    assert choice.usages[-1].cells >= 8192 * 1000
    with pytest.raises(FitError, match="the host"):
        on([device(6 * MIB)], host=HostMemory(4 * MIB, 4 * MIB), n_ctx=8192, is_kv_offloaded=False)


def test_buffers_that_turn_out_larger_are_made_room_for() -> None:
    tries: list[tuple[int, int]] = []

    def compute(_: object, n_cells: int, n_seq: int) -> dict[str, int]:
        tries.append((n_cells, n_seq))
        # As if more sequences took more than their logits.
        return {"GPU0": 2 * MIB if n_seq > 1 else MIB}

    choice = choose([device(12 * MIB)], HOST, layout(), figures(), asked(), compute)
    assert choice.usages[0].compute == 2 * MIB
    assert 0 <= choice.usages[0].left < MIB
    assert len(tries) <= 4 + 2


@pytest.mark.parametrize("state_mib", [0.1, 0.5])
def test_a_parked_sequence_is_worth_a_little_of_the_context(state_mib: float) -> None:
    """Larger devices never give less context, not even at the sizes from which on one more sequence is parked."""
    memory = figures(state=state_mib * MIB)
    price = state_mib * MIB / 1000
    # With 20 MiB the whole model lies on the device, and no other placement is chosen from there on.
    wide: dict[str, Any] = {"n_ctx_train": 1 << 20, "n_ctx_most": 1 << 20}
    sizes = [on([device(20 * MIB + step * MIB // 4)], memory=memory, **wide).sizes for step in range(140)]
    for before, after in pairwise(sizes):
        assert after.n_ctx >= before.n_ctx
        assert after.n_parked >= before.n_parked or after.n_ctx > before.n_ctx
    for each in sizes:
        assert each.n_ctx >= 32 * price * min(each.n_parked, 4) - 256
    assert sizes[-1].n_parked >= min(4, int(30 * MIB / 1000 / 32 / price))


def test_the_whole_context_comes_before_anything_parked() -> None:
    memory = figures(state=MIB)
    # Weights, four slots and the one for copies, and the cells, in steps of 256.
    just_fits = 5 * MIB + 5 * MIB + 200_192 * 1000
    whole: dict[str, Any] = {"n_ctx_train": 200_192, "n_ctx_most": 200_192}
    sizes = on([device(just_fits)], memory=memory, **whole).sizes
    assert (sizes.n_ctx, sizes.n_parked) == (200_192, 0)
    assert on([device(just_fits + 2 * MIB)], memory=memory, **whole).sizes.n_parked == 2


def test_cells_that_were_asked_for_stay_beside_a_context_that_was_not() -> None:
    choice = on([device(100 * MIB)], n_ctx_train=1 << 20, n_ctx_most=1 << 20, parked_mib=10)
    assert choice.sizes.n_cells - choice.sizes.n_ctx == 10 * MIB // 1000
    assert choice.usages[0].left < MIB


def test_the_host_keeps_a_tier_beside_experts_that_fill_its_memory() -> None:
    shape = layout(n_expert_bytes=100 * MIB)
    choice = on([device(20 * MIB)], shape, host=HostMemory(300 * MIB, 300 * MIB), n_ctx=4096)
    assert choice.placement.n_host_experts == 4
    assert choice.sizes.n_host_bytes == pytest.approx(300 * MIB / 16, rel=0.01)
    # Of experts of 400 MiB and embeddings of 1 MiB.
    assert choice.n_bytes_reread == 101 * MIB
    with pytest.raises(FitError, match="than the host has"):
        on([device(20 * MIB)], shape, host=HostMemory(300 * MIB, 300 * MIB, maps_weights=False), n_ctx=4096)
    assert on([device(20 * MIB)], shape, n_ctx=4096).n_bytes_reread == 0


def test_a_device_that_is_full_already_is_told_with_what_to_do() -> None:
    with pytest.raises(FitError, match=r"than GPU0 has for it; try .*--device none"):
        choose([device(MIB)], HOST, layout(), figures(), asked(), lambda *_: {"GPU0": 2 * MIB})


def test_layers_leave_the_device_after_all_experts_have() -> None:
    shape = layout(n_expert_bytes=64 * MIB)
    choice = on([device(8 * MIB)], shape, n_ctx=4096)
    assert choice.placement.n_host_experts == 4
    # The output and three layers, each of 1 MiB with cells of 1 MB.
    assert choice.placement.n_on == (4,)
    assert choice.usages[0].weights == 4 * MIB


def test_cells_count_as_libllama_makes_them() -> None:
    choice = on([device(100 * MIB)], n_ctx=5000, parked_mib=0)
    assert choice.sizes.n_cells == 5000
    assert choice.usages[0].cells == 5120 * 1000
    with pytest.raises(FitError):
        on([device(5 * MIB + 5100 * 1000)], n_ctx=5000, parked_mib=0, n_on_devices=5)


def test_embeddings_that_also_serve_as_output_lie_twice_where_devices_compute_the_output() -> None:
    tensors = tuple(tensor for tensor in layout(n_ends=2 * MIB).tensors if tensor.name != "output.weight")
    tied = ModelLayout(tensors, 4, 4)
    whole = on([device(100 * MIB)], tied, n_ctx=1000)
    assert [usage.weights for usage in whole.usages] == [6 * MIB, 2 * MIB]
    assert whole.usages[0].n_layers == 4
    none = on([device(100 * MIB)], tied, n_ctx=1000, n_on_devices=0)
    assert [usage.weights for usage in none.usages] == [0, 6 * MIB]


def test_a_placement_of_tensors_is_kept_or_refused_and_nothing_else_moves() -> None:
    shape, mine = layout(n_expert_bytes=8 * MIB), ((FIRST_EXPERTS, "CPU"),)
    assert on([device(100 * MIB)], shape, n_ctx=1000, overrides=mine).placement.n_host_experts == 0
    with pytest.raises(FitError, match="GPU0"):
        on([device(20 * MIB)], shape, n_ctx=1000, overrides=mine)
    assert on([device(20 * MIB)], shape, n_ctx=1000).placement.n_host_experts > 1


def test_what_drafts_lies_with_the_last_layer_and_its_history_on_the_host() -> None:
    drafts: dict[str, Any] = {"n_bytes_cell_drafts": 500.0, "n_bytes_drafts": MIB, "n_bytes_history": 2 * MIB}
    plain, drafted = (on([device(64 * MIB)], n_ctx=4096, parked_mib=0, **more) for more in ({}, drafts))
    card, host = drafted.usages
    assert (card.draft_cells, card.draft_buffers) == (500 * 4096, MIB)
    assert (host.draft_cells, host.draft_buffers) == (0, 2 * MIB)
    assert card.used == plain.usages[0].used + 500 * 4096 + MIB
    assert card.cells == plain.usages[0].cells
    with pytest.raises(FitError):
        on([device(card.used - 1)], n_ctx=4096, parked_mib=0, n_on_devices=5, **drafts)
    assert on([device(card.used)], n_ctx=4096, parked_mib=0, n_on_devices=5, **drafts)
    host_cells = on([device(64 * MIB)], n_ctx=4096, parked_mib=0, is_kv_offloaded=False, **drafts).usages[-1]
    assert host_cells.drafts == 500 * 4096 + 3 * MIB
