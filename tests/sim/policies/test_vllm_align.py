"""`vllm_align`, against what vLLM's scheduler and its users' reports say."""

from segue.sim.policies.vllm_align import VllmAlign
from tests.sim.making import join, request, span, store


def hits(n_shared: int, n_unique: int, *, junctions: bool, n: int = 3) -> list[int]:
    policy = VllmAlign(store(), junctions=junctions)
    paths = (join(span(n_shared), span(n_unique, 10_000 * (i + 1))) for i in range(n))
    return [policy.serve(request(path, i)) for i, path in enumerate(paths)]


def test_nothing_is_hit_where_the_shared_part_ends_before_a_kept_boundary() -> None:
    assert hits(1500, 700, junctions=False) == [0, 0, 0]


def test_a_batch_that_ends_inside_the_shared_part_is_hit() -> None:
    assert hits(1600, 600, junctions=False) == [0, 3 * 528, 3 * 528]


def test_a_junction_is_kept_at_the_second_sighting_and_hit_at_the_third() -> None:
    assert hits(1500, 700, junctions=True) == [0, 0, 2 * 528]


def test_a_prompt_of_less_than_a_block_is_never_hit() -> None:
    assert hits(480, 40, junctions=True) == [0, 0, 0]


def test_a_repeat_is_hit_up_to_the_last_whole_block_before_its_last_token() -> None:
    for n, expected in ((552, 528), (979, 528), (1056, 528), (1057, 1056)):
        policy = VllmAlign(store())
        assert [policy.serve(request(span(n), i)) for i in range(2)] == [0, expected]


def test_sizes_are_rounded_to_blocks_of_the_trace() -> None:
    policy = VllmAlign(store(n_block=64))
    assert [policy.serve(request(span(40), i, n_block=64)) for i in range(2)] == [0, 36]
