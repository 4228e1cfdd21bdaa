"""`pos_end`: the rule on positions."""

from segue.memory import MemoryKind
from segue.sim.capacity import Capacity
from segue.sim.policies.llama_server import Saved
from segue.sim.policies.pos_end import PosEnd
from tests.sim.making import MODEL, join, request, span


def policy(kind: MemoryKind = MemoryKind.HYBRID, n_swa: int = 0) -> PosEnd:
    return PosEnd(Capacity(), MODEL, 1, kind, n_swa)


def test_the_largest_that_ends_within_the_common_prefix_is_restored() -> None:
    made = policy()
    made.serve(request(span(30_000), user_starts=(2_000, 12_000)))
    assert made.serve(request(join(span(20_000), span(15_000, 60_000)), 1)) == 12_000


def test_one_that_reaches_beyond_the_new_prompt_is_rejected_and_pruned() -> None:
    made = policy()
    made.serve(request(span(30_000), user_starts=(2_000, 12_000)))
    assert made.serve(request(span(11_000), 1)) == 2_000
    assert [saved.n_tokens for slot in made._slots for saved in slot.checkpoints] == [2_000, 11_000 - 516, 11_000 - 4]


def test_recurrent_states_are_judged_by_pos_max_and_windows_by_pos_min() -> None:
    prompt = request(span(5000))
    for n, pos_next, recurrent, window in (
        (2000, 2000, True, True),
        (2001, 2000, False, True),
        (2000, 1489, False, True),
        (2000, 1488, False, False),
        (600, 50, False, True),
        (5001, 5000, False, False),
    ):
        assert policy()._is_usable(Saved(n), pos_next, prompt) is recurrent
        assert policy(MemoryKind.SLIDING_WINDOW, 100)._is_usable(Saved(n), pos_next, prompt) is window
