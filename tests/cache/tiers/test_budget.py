import pytest

from segue.cache.tiers.budget import Budget


def test_a_budget_is_full_at_its_limit_and_remembers_its_peak() -> None:
    budget = Budget(100)
    budget.charge(60)
    assert budget.fits(40)
    assert not budget.fits(41)
    budget.charge(40)
    budget.refund(70)
    assert (budget.used_bytes, budget.peak_bytes) == (30, 100)
    assert budget.fits(70)


def test_a_budget_is_never_overdrawn() -> None:
    budget = Budget(100, used_bytes=60)
    with pytest.raises(AssertionError, match="over its budget"):
        budget.charge(41)
    with pytest.raises(AssertionError, match="more than it used"):
        budget.refund(61)
