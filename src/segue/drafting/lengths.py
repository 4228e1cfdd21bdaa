"""How many tokens to draft for each reply of a call: as many as make the replies fastest, by what is known."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from segue.drafting.row_costs import RowCosts

_GUESSED_STEP: Final = 0.1
"""What drafting one token costs, as a share of a call without drafts, until it is measured."""
_TRIAL_GAIN: Final = 1.05
_N_CALLS_LEAST: Final = 32


@dataclass(frozen=True, slots=True)
class Prospect:
    """A reply that needs `n_unread` tokens read; up to `n_drafted` more could be verified, each with `probability`."""

    n_unread: int
    n_drafted: int
    probability: float

    def n_expected(self, n_drafts: int) -> float:
        """How many of so many drafts will hold; those beyond `n_drafted` never do."""
        return n_held(self.probability, min(n_drafts, self.n_drafted))


def n_held(probability: float, n_drafts: int) -> float:
    """How many of so many drafts are likely to hold, if each does with this probability where those before it do."""
    p = probability
    return float(n_drafts) if p >= 1 else p * (1 - p**n_drafts) / (1 - p)


@dataclass(frozen=True, slots=True)
class Worth:
    """Tells a drafter how many tokens are worth drafting, before it drafts: for each of `n_replies`, in the same call.

    If it `reads_again`, the memory cannot drop a tail: where a draft fails, those that held are read once more. The
    drafts of a trial take `trial_s`.
    """

    costs: RowCosts
    n_replies: int
    reads_again: bool
    trial_s: float = 0.0

    def n_drafts(self, probability: float, n_most: int, step_s: float) -> int:
        """How many drafts give most tokens a second, if drafting one takes `step_s`, or 0 if that is not known."""
        n, base_s = self.n_replies, self.costs.seconds(self.n_replies)
        step = step_s / base_s if step_s and base_s else _GUESSED_STEP

        def gain(n_drafts: int) -> float:
            n_kept = 1 + n_held(probability, n_drafts)
            cost = self.costs.relative(n * (1 + n_drafts), n) + n_drafts * step
            if self.reads_again and n_drafts:
                cost += (1 - probability**n_drafts) * self.costs.extra(n + round(n * n_kept), n, n)
            return n_kept / cost

        return max(range(n_most + 1), key=gain)

    def n_of_trial(self, n_calls_without: int, n_most: int) -> int:
        """How many drafts to try after so many calls without any: as few as would pay if all of them held.

        0 if none would, or it is too early: the dearer a trial is, the rarer, so that trials cost about 1 %. To be
        asked before each call: most answers are 0 without reckoning.
        """
        if not n_calls_without or n_calls_without % _N_CALLS_LEAST:
            return 0
        n, base_s = self.n_replies, self.costs.seconds(self.n_replies)
        drafting = self.trial_s / base_s if base_s else 0.0
        for n_drafts in range(1, n_most + 1):
            cost = self.costs.relative(n * (1 + n_drafts), n)
            if 1 + n_drafts > _TRIAL_GAIN * cost:
                return n_drafts if n_calls_without >= 100 * (cost - 1 + drafting) else 0
        return 0


def choose_lengths(
    prospects: Sequence[Prospect], costs: RowCosts, *, are_equal: bool, reads_again: bool, n_tokens_most: int
) -> list[int]:
    """The number of drafts for each reply, by which most tokens a second are expected.

    With `are_equal`, each reply gets the same number of tokens in all, since libllama splits a call of sequences with
    recurrent state or a window otherwise. Then a reply may get more drafts than it has: any tokens fill it up. If the
    memory `reads_again`, what held where a draft fails costs once more. With drafts, a call reads at most
    `n_tokens_most` in all.
    """
    n_base = sum(one.n_unread for one in prospects)
    return (
        _equal(prospects, costs, n_base, n_tokens_most, reads_again=reads_again)
        if are_equal
        else _unlike(prospects, costs, n_base, n_tokens_most)
    )


def _equal(
    prospects: Sequence[Prospect], costs: RowCosts, n_base: int, n_tokens_most: int, *, reads_again: bool
) -> list[int]:
    n_least = max(one.n_unread for one in prospects)
    n_longest = max(one.n_unread + one.n_drafted for one in prospects)
    n_longest = min(n_longest, n_tokens_most // len(prospects))

    def gain(length: int) -> float:
        n_kept = sum(1 + one.n_expected(length - one.n_unread) for one in prospects)
        cost = costs.relative(length * len(prospects), n_base)
        return n_kept / (cost + (_cost_of_failing(prospects, costs, length) if reads_again else 0.0))

    best = max(range(n_least, n_longest + 1), key=gain, default=0)
    if all(min(best - one.n_unread, one.n_drafted) <= 0 for one in prospects):
        return [0] * len(prospects)
    return [best - one.n_unread for one in prospects]


def _cost_of_failing(prospects: Sequence[Prospect], costs: RowCosts, length: int) -> float:
    """The extra that the next call is likely to cost, since it reads again what held where a draft fails."""
    n, n_base = len(prospects), sum(one.n_unread for one in prospects)
    n_again = 0.0
    for one in prospects:
        n_drafts = length - one.n_unread
        if n_drafts > 0:
            p_fails = 1 - one.probability**n_drafts if n_drafts <= one.n_drafted else 1.0
            n_again = max(n_again, p_fails * (one.n_unread + one.n_expected(n_drafts)))
    return costs.extra(n + round(n * n_again), n, n_base)


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
