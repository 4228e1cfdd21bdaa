import hypothesis.strategies as st
from hypothesis import given

from segue.policy.checkpoint_positions import Position
from segue.policy.prompt_marks import PromptMarks
from segue.policy.reproducible_positions import positions_digests, reproducible_positions
from segue.prefix.checkpoint import Origin
from tests.policy.prompts import prompts


@given(prompt=prompts(), grown=st.lists(st.integers(1, 6000), min_size=1, max_size=5))
def test_positions_are_shared_up_to_the_last_message_end(prompt: tuple[PromptMarks, int], grown: list[int]) -> None:
    marks, n_prompt = prompt
    n_same = marks.message_ends[-1] if marks.message_ends else 0
    ends = (*marks.message_ends, *(n_same + sum(grown[: i + 1]) for i in range(len(grown))))
    short = positions_digests(reproducible_positions(marks, n_prompt))
    long = positions_digests(reproducible_positions(PromptMarks(ends), ends[-1] + 3))
    assert {n: d for n, d in short.items() if n <= n_same} == {n: d for n, d in long.items() if n <= n_same}
    assert reproducible_positions(marks, n_prompt)[-1] == Position(n_prompt, Origin.PROMPT_END)


def test_digests_tell_positions_apart_and_outlive_the_process() -> None:
    one = positions_digests((Position(5, Origin.STRIDE), Position(9, Origin.PROMPT_END)))
    assert one == positions_digests((Position(5, Origin.FORK), Position(9, Origin.MESSAGE_END)))
    assert one[9] != positions_digests((Position(9, Origin.PROMPT_END),))[9]
    assert one[9] != positions_digests((Position(4, Origin.STRIDE), Position(9, Origin.PROMPT_END)))[9]
    assert one == {5: 5, 9: 2031907796820721810}
