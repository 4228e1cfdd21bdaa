"""Why each token of a prompt was read: counts that add up exactly."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheReport:
    """The fate of a prompt's tokens.

    `n_prompt == n_reused + n_read`, and `n_read` is the sum of the reason counts. `n_known` is the length of the
    longest prefix that was ever read; the first token that differs stands at that position. `from_origin`, `from_tier`
    and `from_age_s` describe the checkpoint that the request started from ("" if none).
    """

    n_prompt: int
    n_known: int
    n_reused: int
    n_read: int
    new: int
    no_checkpoint_here: int
    evicted: int
    damaged: int
    last_token: int
    incompatible: int
    cheaper_to_read: int
    not_fetched: int
    from_origin: str
    from_tier: str
    from_age_s: float


def explain(
    n_prompt: int,
    n_known: int,
    n_reused: int,
    *,
    evicted_upto: int,
    damaged_upto: int = 0,
    needs_last: bool,
    n_cheaper_to_read: int = 0,
    n_not_fetched: int = 0,
    from_origin: str = "",
    from_tier: str = "",
    from_age_s: float = 0.0,
) -> CacheReport:
    """Account for every token of a prompt. Mutates nothing.

    `evicted_upto` and `damaged_upto` are the deepest positions from which an evicted and a damaged checkpoint could
    have served (`match.evicted_upto`); where both could, the damage counts. `needs_last`: only the logits, which
    were not kept, prevented the restore of the whole prompt. The caller counts the tokens that were read because
    reading was cheaper, or because a stored checkpoint could not be fetched; no count exceeds the tokens that were
    read again. Nothing is incompatible yet: the planner never sees states of other models.
    """
    lost = max(n_known - n_reused, 0)

    def claim(n: int) -> int:
        nonlocal lost
        n = max(0, min(n, lost))
        lost -= n
        return n

    cheaper_to_read = claim(n_cheaper_to_read)
    not_fetched = claim(n_not_fetched)
    last_token = claim(lost) if needs_last else 0
    damaged = claim(damaged_upto - n_reused)
    evicted = claim(evicted_upto - max(n_reused, damaged_upto))
    return CacheReport(
        n_prompt=n_prompt,
        n_known=n_known,
        n_reused=n_reused,
        n_read=n_prompt - n_reused,
        new=n_prompt - max(n_known, n_reused),
        no_checkpoint_here=lost,
        evicted=evicted,
        damaged=damaged,
        last_token=last_token,
        incompatible=0,
        cheaper_to_read=cheaper_to_read,
        not_fetched=not_fetched,
        from_origin=from_origin,
        from_tier=from_tier,
        from_age_s=from_age_s,
    )
