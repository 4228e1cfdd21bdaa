import hypothesis.strategies as st
from hypothesis import given

from segue.policy.reasons import CacheReport, explain


def reasons(report: CacheReport) -> dict[str, int]:
    """The counts of the tokens read, without those that are none."""
    counts = {
        "new": report.new,
        "no_checkpoint_here": report.no_checkpoint_here,
        "evicted": report.evicted,
        "damaged": report.damaged,
        "last_token": report.last_token,
        "incompatible": report.incompatible,
        "cheaper_to_read": report.cheaper_to_read,
        "not_fetched": report.not_fetched,
    }
    return {reason: n for reason, n in counts.items() if n}


@given(
    n_prompt=st.integers(1, 100),
    known=st.floats(0, 1),
    reused=st.floats(0, 1),
    evicted_upto=st.integers(0, 120),
    damaged_upto=st.integers(0, 120),
    needs_last=st.booleans(),
    n_cheaper=st.integers(0, 120),
    n_not_fetched=st.integers(0, 120),
)
def test_counts_always_add_up(
    n_prompt: int,
    known: float,
    reused: float,
    evicted_upto: int,
    damaged_upto: int,
    needs_last: bool,
    n_cheaper: int,
    n_not_fetched: int,
) -> None:
    n_known, n_reused = int(known * n_prompt), int(reused * n_prompt)
    report = explain(
        n_prompt,
        n_known,
        n_reused,
        evicted_upto=evicted_upto,
        damaged_upto=damaged_upto,
        needs_last=needs_last,
        n_cheaper_to_read=n_cheaper,
        n_not_fetched=n_not_fetched,
    )
    counts = reasons(report)
    assert all(n > 0 for n in counts.values())
    assert sum(counts.values()) == report.n_read == n_prompt - n_reused
    assert report.new == n_prompt - max(n_known, n_reused)
    assert report.evicted <= max(0, evicted_upto - max(n_reused, damaged_upto))
    assert report.damaged <= max(0, damaged_upto - n_reused)
    assert report.last_token == 0 or needs_last
    assert report.incompatible == 0
    assert report.cheaper_to_read <= n_cheaper
    assert report.not_fetched <= n_not_fetched


def test_each_lost_token_has_the_reason_that_is_true_of_it() -> None:
    def read(
        n_known: int,
        n_reused: int,
        evicted_upto: int = 0,
        damaged_upto: int = 0,
        needs_last: bool = False,
        n_other: tuple[int, int] = (0, 0),
    ) -> dict[str, int]:
        report = explain(
            100,
            n_known,
            n_reused,
            evicted_upto=evicted_upto,
            damaged_upto=damaged_upto,
            needs_last=needs_last,
            n_cheaper_to_read=n_other[0],
            n_not_fetched=n_other[1],
        )
        return reasons(report)

    assert read(0, 0) == {"new": 100}
    assert read(80, 80) == {"new": 20}
    assert read(100, 100) == {}
    assert read(80, 30) == {"new": 20, "no_checkpoint_here": 50}
    assert read(80, 30, evicted_upto=60) == {"new": 20, "evicted": 30, "no_checkpoint_here": 20}
    assert read(80, 30, evicted_upto=20) == {"new": 20, "no_checkpoint_here": 50}
    assert read(80, 30, damaged_upto=60) == {"new": 20, "damaged": 30, "no_checkpoint_here": 20}
    assert read(80, 30, damaged_upto=30) == {"new": 20, "no_checkpoint_here": 50}
    assert read(80, 30, 60, 50) == {"new": 20, "damaged": 20, "evicted": 10, "no_checkpoint_here": 20}
    assert read(80, 30, 60, 70) == {"new": 20, "damaged": 40, "no_checkpoint_here": 10}
    assert read(100, 99, needs_last=True) == {"last_token": 1}
    assert read(100, 90, needs_last=True, evicted_upto=95) == {"last_token": 10}
    assert read(80, 30, n_other=(15, 8)) == {
        "new": 20,
        "cheaper_to_read": 15,
        "not_fetched": 8,
        "no_checkpoint_here": 27,
    }
