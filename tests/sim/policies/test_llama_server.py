"""`llama_server`, against llama.cpp's server."""

import pytest

from segue.sim.capacity import Capacity
from segue.sim.policies.llama_server import LlamaServer
from tests.sim.making import MODEL, join, request, span


@pytest.fixture
def policy() -> LlamaServer:
    return LlamaServer(Capacity(), MODEL, 1)


SYSTEM, QUESTION = span(9000), span(300, 20_000)


def test_a_conversation_that_only_grows_goes_on_where_its_slot_stands(policy: LlamaServer) -> None:
    first = join(SYSTEM, QUESTION)
    second = join(first, span(400, 30_000))
    assert [policy.serve(request(path, i)) for i, path in enumerate((first, second))] == [0, 9300]


def test_another_date_in_the_system_prompt_reads_everything_again(policy: LlamaServer) -> None:
    yesterday, today = span(1, 70_001), span(1, 70_002)
    policy.serve(request(join(SYSTEM[:4000], yesterday, SYSTEM[4000:], QUESTION)))
    assert policy.serve(request(join(SYSTEM[:4000], today, SYSTEM[4000:], QUESTION), 1)) == 0


def test_an_edited_last_message_starts_at_the_tail_checkpoint_before_it(policy: LlamaServer) -> None:
    policy.serve(request(join(SYSTEM, QUESTION)))
    assert policy.serve(request(join(SYSTEM, span(300, 40_000)), 1)) == 9300 - 516
    policy.serve(request(join(SYSTEM, QUESTION), 2))
    assert policy.serve(request(join(SYSTEM, QUESTION[:-2], span(9, 50_000)), 3)) == 9300 - 4


def test_user_messages_are_kept_8192_tokens_apart_and_the_last_always(policy: LlamaServer) -> None:
    long = span(30_000)
    policy.serve(request(long, user_starts=(2_000, 5_000, 12_000, 29_000)))
    kept = [saved.n_tokens for slot in policy._slots for saved in slot.checkpoints]
    assert kept == [2_000, 12_000, 29_000, 30_000 - 516, 30_000 - 4]


def test_what_ends_beyond_the_common_prefix_is_erased(policy: LlamaServer) -> None:
    policy.serve(request(span(30_000), user_starts=(2_000, 12_000)))
    assert policy.serve(request(join(span(20_000), span(9, 60_000)), 1, user_starts=(2_000, 12_000))) == 12_000
    kept = [saved.n_tokens for slot in policy._slots for saved in slot.checkpoints]
    assert kept == [2_000, 12_000, 20_009 - 516, 20_009 - 4]


def test_a_slot_is_chosen_by_what_it_shares_else_by_age(policy: LlamaServer) -> None:
    others = [span(1000, 100_000 * (i + 1)) for i in range(4)]
    for i, path in enumerate(others):
        policy.serve(request(path, i))
    assert policy.serve(request(join(others[2], span(5, 7)), 4)) == 1000
    policy.serve(request(span(1000, 900_000), 5))
    assert [int(slot.tokens[0]) for slot in policy._slots] == [900_000, 200_000, 300_000, 400_000]


def test_a_prompt_that_lost_its_slot_comes_back_from_the_host(policy: LlamaServer) -> None:
    paths = [span(1000, 100_000 * (i + 1)) for i in range(5)]
    for i, path in enumerate(paths):
        policy.serve(request(path, i))
    assert policy.serve(request(join(paths[0], span(5, 7)), 9)) == 1000


def test_without_room_on_the_host_the_oldest_prompt_goes() -> None:
    policy = LlamaServer(Capacity(n_checkpoints=11), MODEL, 1)
    paths = [span(1000, 100_000 * (i + 1)) for i in range(6)]
    for i, path in enumerate(paths):
        policy.serve(request(path, i))
    assert policy.serve(request(join(paths[0], span(5, 7)), 9)) == 0


def test_a_full_list_gives_up_what_earlier_requests_left_near_another_first(policy: LlamaServer) -> None:
    for i in range(20):
        policy.serve(request(span(20_000 + 1_000 * i), i))
    kept = [saved.n_tokens for slot in policy._slots for saved in slot.checkpoints]
    assert len(kept) == 32
    assert kept[0] == 20_000 - 516
    assert kept[-3:] == [38_000 - 4, 39_000 - 516, 39_000 - 4]


def test_else_the_oldest(policy: LlamaServer) -> None:
    n = 33 * 9000
    policy.serve(request(span(n), user_starts=tuple(range(9000, n, 9000))))
    kept = [saved.n_tokens for slot in policy._slots for saved in slot.checkpoints]
    assert kept == [*range(27_000, n, 9000), n - 516, n - 4]
