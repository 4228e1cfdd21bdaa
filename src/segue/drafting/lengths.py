"""How many tokens to draft for each reply of a call: as many as make the replies fastest, by what is known."""

from collections.abc import Sequence
from dataclasses import dataclass

from segue.drafting.row_costs import RowCosts


@dataclass(frozen=True, slots=True)
class Prospect:
    """A reply that needs `n_unread` tokens read; up to `n_drafted` more could be verified, each with `probability`."""

    n_unread: int
    n_drafted: int
    probability: float

    def n_expected(self, n_drafts: int) -> float:
        """How many of so many drafts will hold; those beyond `n_drafted` never do."""
        p, n = self.probability, min(n_drafts, self.n_drafted)
        return float(n) if p >= 1 else p * (1 - p**n) / (1 - p)


def choose_lengths(prospects: Sequence[Prospect], costs: RowCosts, *, are_equal: bool, n_tokens_most: int) -> list[int]:
    """The number of drafts for each reply, by which most tokens a second are expected.

    With `are_equal`, each reply gets the same number of tokens in all, since libllama splits a call of sequences with
    recurrent state otherwise. Then a reply may get more drafts than it has: any tokens fill it up. With drafts, a call
    reads at most `n_tokens_most` in all.
    """
    n_base = sum(one.n_unread for one in prospects)
    return (
        _equal(prospects, costs, n_base, n_tokens_most)
        if are_equal
        else _unlike(prospects, costs, n_base, n_tokens_most)
    )


def _equal(prospects: Sequence[Prospect], costs: RowCosts, n_base: int, n_tokens_most: int) -> list[int]:
    n_least = max(one.n_unread for one in prospects)
    n_longest = max(one.n_unread + one.n_drafted for one in prospects)
    n_longest = min(n_longest, n_tokens_most // len(prospects))

    def gain(length: int) -> float:
        n_kept = sum(1 + one.n_expected(length - one.n_unread) for one in prospects)
        return n_kept / costs.relative(length * len(prospects), n_base)

    best = max(range(n_least, n_longest + 1), key=gain, default=0)
    if all(min(best - one.n_unread, one.n_drafted) <= 0 for one in prospects):
        return [0] * len(prospects)
    return [best - one.n_unread for one in prospects]


def _unlike(prospects: Sequence[Prospect], costs: RowCosts, n_base: int, n_tokens_most: int) -> list[int]:
    lengths, best = [0] * len(prospects), [0] * len(prospects)
    n_kept, most = float(len(prospects)), float(len(prospects))
    # The likeliest further token of all replies comes next.
    steps = sorted(
        ((one.probability**n, i) for i, one in enumerate(prospects) for n in range(1, one.n_drafted + 1)), reverse=True
    )
    for n_drafts, (p, i) in enumerate(steps[: max(0, n_tokens_most - n_base)], 1):
        lengths[i] += 1
        n_kept += p
        gain = n_kept / costs.relative(n_base + n_drafts, n_base)
        if gain > most:
            most, best = gain, list(lengths)
    return best
