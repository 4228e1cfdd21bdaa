"""Without devices, sizes are kept or refused, and no cells are made that no request can use."""

from typing import Any

import pytest

from segue.fit.errors import FitError
from segue.fit.sizes import Sizes
from segue.memory import MemoryKind
from tests.fit.making import MIB, figures_of, layout, on_host

WITH_CELLS = [kind for kind in MemoryKind if kind.shares_cells]


def choose(kind: MemoryKind, **settings: Any) -> Sizes:
    return on_host(figures_of(kind), **settings).sizes


@pytest.mark.parametrize("kind", MemoryKind)
@pytest.mark.parametrize("is_unified", [True, False])
def test_a_request_gets_no_more_tokens_than_the_model_was_trained_with(kind: MemoryKind, is_unified: bool) -> None:
    sizes = choose(kind, n_ctx=20_000, is_unified=is_unified)
    assert sizes.n_ctx == 8192
    if kind.shares_cells and is_unified:
        assert sizes.n_cells >= 20_000, "slots share the cells that were asked for"
    else:
        assert sizes.n_cells == 8192
    assert choose(kind, n_ctx=20_000, n_ctx_most=32_768, is_unified=is_unified).n_ctx == 20_000
    assert choose(kind, n_ctx=8000, is_unified=is_unified).n_ctx == 8000


@pytest.mark.parametrize("kind", WITH_CELLS)
def test_no_cells_are_made_that_the_slots_cannot_fill(kind: MemoryKind) -> None:
    assert choose(kind, n_ctx=20_000, n_slots=1, parked_mib=0).n_cells == 8192
    assert choose(kind, n_ctx=20_000, n_slots=2, parked_mib=0).n_cells == 16_384
    assert choose(kind, n_ctx=1 << 30, n_slots=1, parked_mib=0).n_cells == 8192, "nor refused for them"


@pytest.mark.parametrize("kind", MemoryKind)
def test_no_context_asked_for_is_the_trained_one_or_what_fits(kind: MemoryKind) -> None:
    assert choose(kind).n_ctx == 8192
    assert choose(kind, n_ctx_most=32_768).n_ctx == 8192
    if kind.shares_cells:
        assert 256 <= choose(kind, free_bytes=12 << 20).n_ctx < 8192


@pytest.mark.parametrize("kind", WITH_CELLS)
def test_what_does_not_fit_is_refused_with_what_does(kind: MemoryKind) -> None:
    big = {"n_ctx_train": 4_000_000, "n_ctx_most": 4_000_000}
    with pytest.raises(FitError, match=r"a context of 2000000 tokens needs \d.\d GiB .* try --ctx-size \d+ or fewer"):
        choose(kind, n_ctx=2_000_000, **big)
    with pytest.raises(FitError, match=r"needs .* try (--ctx-size \d+ or )?fewer --parallel or a smaller --cache-park"):
        choose(kind, n_ctx=4096, free_bytes=4 << 20)
    with pytest.raises(FitError, match=r"try a smaller model$"):
        choose(kind, n_ctx=4096, free_bytes=100_000, n_slots=1, parked_mib=0)


def test_a_size_that_a_refusal_names_is_taken() -> None:
    for kind in WITH_CELLS:
        with pytest.raises(FitError) as refused:
            choose(kind, n_ctx=2_000_000, n_ctx_train=4_000_000, n_ctx_most=4_000_000)
        named = int(str(refused.value).split("--ctx-size ")[1].split()[0])
        assert choose(kind, n_ctx=named, n_ctx_train=4_000_000, n_ctx_most=4_000_000).n_ctx == named


def test_states_that_do_not_fit_are_refused() -> None:
    with pytest.raises(FitError, match=r"200 slots .* try fewer --parallel"):
        choose(MemoryKind.RECURRENT, n_slots=200, free_bytes=10_000_000)


@pytest.mark.parametrize("kind", MemoryKind)
def test_parked_sequences_and_slots_are_no_more_than_libllama_has(kind: MemoryKind) -> None:
    for n_slots in (1, 191, 200):
        sizes = choose(kind, n_slots=n_slots, parked_mib=512, n_ctx=256)
        assert sizes.n_seq_max == n_slots + 1 + sizes.n_parked <= 256
        assert sizes.n_parked >= 55
    assert choose(kind, parked_mib=0).n_parked == 0


def test_a_budget_for_parked_cells_beyond_their_use_is_no_reason_to_refuse() -> None:
    sizes = choose(MemoryKind.ATTENTION, n_ctx=1000, parked_mib=1 << 20)
    assert sizes.n_cells == 2000 + sizes.n_idle_cells, "the path used last keeps its cells, and so do idle ones"


def test_an_unasked_context_leaves_room_for_weights_that_are_mapped() -> None:
    memory, mapped = figures_of(MemoryKind.ATTENTION), layout(n_bytes=12 * MIB, n_ends=0)
    wide = {"n_ctx_train": 1 << 20, "n_ctx_most": 1 << 20, "parked_mib": 0}
    plain, beside = (on_host(memory, 64 * MIB, shape, **wide).sizes for shape in (None, mapped))
    assert plain.n_ctx == pytest.approx(32 * MIB / 1000, rel=0.01)
    assert beside.n_ctx == pytest.approx(8 * MIB / 1000, rel=0.01)
    asked_for = on_host(memory, 64 * MIB, mapped, n_ctx=40_000, **wide).sizes
    assert asked_for.n_ctx == 40_000, "mapped weights can be read again, so what was asked for is kept"
    assert asked_for.n_host_bytes < plain.n_host_bytes


def test_the_host_tier_is_a_share_of_what_is_left_or_what_was_asked_for() -> None:
    kind = MemoryKind.ATTENTION
    left = choose(kind, host_mib=-1).n_host_bytes / 0.9
    assert choose(kind).n_host_bytes == pytest.approx(left / 4, rel=0.01)
    assert choose(kind, host_mib=7).n_host_bytes == 7 * MIB
    assert choose(kind, host_mib=0).n_host_bytes == 0


@pytest.mark.parametrize("kind", MemoryKind)
def test_what_drafts_takes_comes_out_of_what_is_free(kind: MemoryKind) -> None:
    asked: dict[str, Any] = {"n_ctx": 4096, "parked_mib": 0}
    drafts: dict[str, Any] = {"n_bytes_cell_drafts": 500.0, "n_bytes_drafts": MIB, "n_bytes_history": 2 * MIB}
    plain, drafted = (on_host(figures_of(kind), 64 * MIB, **asked, **more) for more in ({}, drafts))
    n_bytes = 500 * 4096 + 3 * MIB
    assert drafted.usages[0].drafts == n_bytes
    assert drafted.usages[0].used == plain.usages[0].used + n_bytes
    assert drafted.sizes.n_host_bytes == pytest.approx(plain.sizes.n_host_bytes - n_bytes / 4, abs=1)
    least = plain.usages[0].used + n_bytes
    assert on_host(figures_of(kind), least + MIB // 4, **asked, **drafts).sizes.n_ctx == 4096
    with pytest.raises(FitError):
        on_host(figures_of(kind), least - MIB // 4, **asked, **drafts)
