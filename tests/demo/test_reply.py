"""What an answer says of its prompt."""

import pytest

from segue.demo.reply import DemoReply
from segue.policy.reasons import explain

NO_COUNTS = {"evicted": 0, "damaged": 0, "last_token": 0, "incompatible": 0, "cheaper_to_read": 0, "not_fetched": 0}
CACHE = {"n_prompt": 1500, "n_reused": 0, "n_read": 1500, "new": 1500, "no_checkpoint_here": 0, **NO_COUNTS}


def answer(**cache: object) -> DemoReply:
    return DemoReply.of("", {"from_origin": "", **CACHE, **cache}, 1.0)


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({}, "new"),
        ({"new": 0}, "all known"),
        ({"new": 5, "no_checkpoint_here": 11}, "new, 11 again"),
        ({"new": 0, "evicted": 1300, "last_token": 1}, "1,300 evicted, 1 last token"),
    ],
)
def test_the_reason_counts_all_but_what_is_new(counts: dict[str, int], reason: str) -> None:
    assert answer(**counts).reason == reason


def test_origins_are_put_in_words() -> None:
    assert answer().start == "the start"
    assert answer(from_origin="message_end").start == "message end"
    assert answer(from_origin="not_yet_invented").start == "not_yet_invented"


def test_every_count_of_a_report_has_a_word() -> None:
    fields = set(explain(1, 0, 0, evicted_upto=0, needs_last=False).__dataclass_fields__)
    known = {*CACHE, "from_origin", "n_known", "from_tier", "from_age_s"}
    assert fields == known
