"""Sizes are kept or refused, and no request gets more tokens than its model was trained with."""

from typing import Any, Final

import pytest

from segue.engine.errors import ModelError
from segue.loop.sizes import Sizes, choose_sizes
from segue.memory import MemoryKind, MemoryShape

SHAPES: Final = {
    kind: MemoryShape(kind, 64 * kind.has_window, 1000 * kind.shares_cells, 0 if kind == "attention" else 100_000, 1000)
    for kind in MemoryKind
}


def choose(kind: MemoryKind, **asked: Any) -> Sizes:
    usual = {
        "n_ctx": 0,
        "n_ctx_train": 8192,
        "n_ctx_most": 8192,
        "n_slots": 4,
        "parked_mib": None,
        "host_mib": None,
        "free_bytes": 1 << 30,
        "is_unified": True,
        "active_bytes": 1 << 20,
    }
    return choose_sizes(SHAPES[kind], **(usual | asked))


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


@pytest.mark.parametrize("kind", MemoryKind)
def test_no_context_asked_for_is_the_trained_one_or_what_fits(kind: MemoryKind) -> None:
    assert choose(kind).n_ctx == 8192
    assert choose(kind, n_ctx_most=32_768).n_ctx == 8192
    if kind.shares_cells:
        assert 256 <= choose(kind, free_bytes=50 << 20).n_ctx < 8192


@pytest.mark.parametrize("kind", [kind for kind in MemoryKind if kind.shares_cells])
def test_what_does_not_fit_is_refused_with_what_does(kind: MemoryKind) -> None:
    with pytest.raises(ModelError, match=r"a context of 2000000 tokens needs 2.0 GiB .* try --ctx-size 8192 or fewer"):
        choose(kind, n_ctx=2_000_000)
    with pytest.raises(ModelError, match=r"needs .* try fewer --parallel or a smaller --cache-parked$"):
        choose(kind, n_ctx=4096, free_bytes=34 << 20)
    with pytest.raises(ModelError, match=r"try a smaller model$"):
        choose(kind, n_ctx=4096, free_bytes=1 << 20, n_slots=1, parked_mib=0)


def test_states_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match=r"200 slots .* try fewer --parallel"):
        choose(MemoryKind.RECURRENT, n_slots=200, free_bytes=10_000_000)


@pytest.mark.parametrize("kind", MemoryKind)
def test_parked_sequences_and_slots_are_no_more_than_libllama_has(kind: MemoryKind) -> None:
    for n_slots in (1, 191, 200):
        sizes = choose(kind, n_slots=n_slots, parked_mib=512, n_ctx=256)
        assert n_slots + 1 + sizes.n_parked <= 256
        assert sizes.n_parked >= 55
    assert choose(kind, parked_mib=0).n_parked == 0


def test_a_budget_for_parked_cells_beyond_their_use_is_no_reason_to_refuse() -> None:
    assert choose(MemoryKind.ATTENTION, n_ctx=1000, parked_mib=1 << 20).n_cells == 3000
