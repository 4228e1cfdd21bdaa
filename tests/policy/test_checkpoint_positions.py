import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from segue.policy.checkpoint_positions import Position, checkpoint_positions, rewind_positions
from segue.policy.prompt_marks import PromptMarks
from segue.prefix.checkpoint import Origin
from tests.policy.prompts import breakpoints, prompts

COST = 8.0
BUDGET = 0.02
OTHERS = (Origin.MESSAGE_END, Origin.STRIDE)


def breakpoint_ends(marks: PromptMarks) -> set[int]:
    return {mark.end for mark in marks.breakpoints}


def certain(marks: PromptMarks, n_prompt: int, fork: int | None) -> set[int]:
    ends = marks.message_ends
    forks = () if fork is None else (fork,)
    return {n_prompt, *forks, *ends[: marks.n_stable], *ends[-2:], *marks.volatile, *breakpoint_ends(marks)}


def inside_last(marks: PromptMarks) -> set[int]:
    start, end = (0, 0, *marks.message_ends)[-2:]
    return set(rewind_positions(start, end)) if end - start >= 448 else set()


def n_read_again(placed: tuple[Position, ...], position: int) -> int:
    """What is read again by a prompt that leaves this one at `position`, on a memory that cannot rewind."""
    return position - max((one.n_tokens for one in placed if one.n_tokens <= position), default=0)


@settings(max_examples=300)
@given(prompt=prompts(), data=st.data(), cost=st.sampled_from((1.0, 8.0, 100.0)))
def test_positions_are_those_promised(prompt: tuple[PromptMarks, int], data: st.DataObject, cost: float) -> None:
    marks, n_prompt = prompt
    n_start = data.draw(st.integers(0, n_prompt - 1))
    fork = data.draw(st.none() | st.integers(0, n_prompt))
    n_most = data.draw(st.sampled_from((0, 3, 64)))
    n_allowed = min(n_most, int(BUDGET * (n_prompt - n_start) / cost))
    placed = checkpoint_positions(marks, n_start, n_prompt, fork=fork, checkpoint_cost_tokens=cost, n_most=n_most)
    positions = [position.n_tokens for position in placed]
    assert positions == sorted(set(positions))
    assert n_start < positions[0]
    assert placed[-1] == Position(n_prompt, Origin.PROMPT_END)
    named = {n for n in certain(marks, n_prompt, fork) if n > n_start}
    always = named | {n for n in inside_last(marks) if n > n_start}
    assert always <= set(positions)
    others = [position for position in placed if position.n_tokens not in always]
    assert len(others) <= n_allowed
    for position in others:
        assert position.origin in OTHERS
        is_end = position.n_tokens in marks.message_ends
        assert is_end == (position.origin is Origin.MESSAGE_END)
        assert is_end or position.n_tokens % 64 == 0
    if len(others) < n_allowed:
        # Nothing is left out but what lies just after a certain position.
        near = {n + more for n in (n_start, *always) for more in range(4)}
        assert {end for end in marks.message_ends if end > n_start} <= set(positions) | near
    names = {position.n_tokens: position.origin for position in placed}
    for n in always - named:
        assert names[n] is Origin.REWIND
    for n in named - {n_prompt}:
        assert names[n] not in (Origin.STRIDE, Origin.PROMPT_END)
        assert (names[n] is Origin.BREAKPOINT) == (n in breakpoint_ends(marks))


@settings(max_examples=300)
@given(prompt=prompts(), data=st.data())
def test_a_larger_budget_only_adds_positions(prompt: tuple[PromptMarks, int], data: st.DataObject) -> None:
    marks, n_prompt = prompt
    small = data.draw(st.floats(0.0001, 0.1))
    large = data.draw(st.floats(small, 0.2))
    few, many = (
        checkpoint_positions(marks, 0, n_prompt, fork=None, checkpoint_cost_tokens=COST, budget=b)
        for b in (small, large)
    )
    assert set(few) <= set(many)


@settings(max_examples=100)
@given(
    before=st.lists(st.integers(1, 600), max_size=30),
    n_long=st.integers(4096, 40_000) | st.integers(448, 4096),
    n_suffix=st.integers(0, 12),
    data=st.data(),
)
def test_an_edit_in_the_last_long_message_reads_little_again(
    before: list[int], n_long: int, n_suffix: int, data: st.DataObject
) -> None:
    ends = [sum(before[: i + 1]) for i in range(len(before))]
    end = sum(before) + n_long
    marks = PromptMarks((*ends, end))
    cost = data.draw(st.sampled_from((0.5, COST, 1e9)))
    placed = checkpoint_positions(marks, 0, end + n_suffix, fork=None, checkpoint_cost_tokens=cost)
    n_closing = data.draw(st.integers(0, 5))
    for r in (*range(min(300, n_long - 5)), *data.draw(st.lists(st.integers(1, n_long - 5), min_size=50))):
        assert n_read_again(placed, end - n_closing - r) < max(64, 3 * r)


@settings(max_examples=100)
@given(seed=st.integers(0, 1 << 32), n_messages=st.integers(1, 2000), spread=st.floats(0, 3))
def test_rewinding_to_a_message_end_reads_little_again(seed: int, n_messages: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    ends = np.cumsum(1 + rng.lognormal(2, spread, n_messages).astype(np.int64)).tolist()
    n_prompt = ends[-1]
    # Two positions for each power of two below the prompt's length are enough, however many messages there are.
    n_others = 2 * n_prompt.bit_length()
    cost = BUDGET * n_prompt / (n_others + 0.5)
    placed = checkpoint_positions(PromptMarks(tuple(ends)), 0, n_prompt, fork=None, checkpoint_cost_tokens=cost)
    assert len(placed) <= n_others + 3 + len(inside_last(PromptMarks(tuple(ends))))
    for end in ends[:-1]:
        # An end a few tokens after a certain position is left to that one.
        assert n_read_again(placed, end) < 3 * (n_prompt - end) + 4


@pytest.mark.parametrize("n_others", [1, 2, 3, 5])
def test_a_few_positions_among_many_short_messages_halve_the_way(n_others: int) -> None:
    n_prompt = 30_000
    marks = PromptMarks(tuple(range(15, n_prompt + 1, 15)))
    cost = BUDGET * n_prompt / (n_others + 0.5)
    placed = checkpoint_positions(marks, 0, n_prompt, fork=None, checkpoint_cost_tokens=cost)
    inner = [position.n_tokens for position in placed if position.n_tokens < n_prompt - 15]
    assert len(inner) == n_others
    assert n_prompt - max(inner) <= n_prompt / 2**n_others
    assert all(n_read_again(placed, end) < n_prompt / 2 for end in marks.message_ends if end > n_prompt * 2 / 3)


@pytest.mark.parametrize("n_long", [200, 5000, 70_000])
def test_the_end_of_a_long_message_comes_before_a_stride_inside_it(n_long: int) -> None:
    marks = PromptMarks((n_long, n_long + 50, n_long + 100))
    placed = checkpoint_positions(
        marks, 0, n_long + 100, fork=None, checkpoint_cost_tokens=BUDGET * (n_long + 100) / 1.5
    )
    assert [position.n_tokens for position in placed] == [n_long, n_long + 50, n_long + 100]


def test_a_growing_raw_prompt_keeps_its_strides() -> None:
    kept: set[int] = set()
    n_start = 0
    for n_prompt in range(4096, 40_000, 517):
        placed = checkpoint_positions(PromptMarks(), n_start, n_prompt, fork=None, checkpoint_cost_tokens=1)
        kept |= {position.n_tokens for position in placed}
        wanted = {(n_prompt - 1) // 2**k * 2**k - back * 2**k for k in range(6, 16) for back in (0, 1)}
        wanted = {n for n in wanted if n > 0}
        # No position is chosen in what was read before, and need not be: the multiples stand there already.
        assert wanted <= kept
        n_start = n_prompt


def test_the_stronger_origin_names_a_position() -> None:
    marks = PromptMarks(
        message_ends=(10, 20, 30, 40), volatile=(10, 15, 20), breakpoints=breakpoints(10, 40), n_stable=2
    )
    placed = checkpoint_positions(marks, 0, 45, fork=15, checkpoint_cost_tokens=COST)
    assert placed == (
        Position(10, Origin.BREAKPOINT),
        Position(15, Origin.VOLATILE),
        Position(20, Origin.MESSAGE_END),
        Position(30, Origin.MESSAGE_END),
        Position(40, Origin.BREAKPOINT),
        Position(45, Origin.PROMPT_END),
    )


def test_no_other_position_stands_just_after_a_certain_one() -> None:
    marks = PromptMarks(message_ends=(100, 102, 200, 303, 305, 350, 400), breakpoints=breakpoints(303), n_stable=1)
    placed = checkpoint_positions(marks, 0, 400, fork=None, checkpoint_cost_tokens=1)
    assert [position.n_tokens for position in placed if position.origin is not Origin.STRIDE] == [
        100,
        200,
        303,
        350,
        400,
    ]
