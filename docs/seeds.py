"""Every online policy on other conversations, laid beside each other otherwise: is `segue` above all of them each time?

A seed draws the conversations and their order. Mooncake's requests come as recorded, so there is nothing to draw.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from records import Records

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.model import MODELS
from segue.sim.policies.marconi import ALPHAS, Marconi
from segue.sim.policy import Policy
from segue.sim.registry import POLICIES, Setting
from segue.sim.replay import oracle_hit_tokens, replay
from segue.sim.trace import Format, Interleaving, Trace, load

# Those that tell most first.
_RIVALS: Final = ("marconi", "lru", "sglang_branch", "lru_grid", "llama_server", "pos_end", "vllm_align")
_FIRST: Final = ("segue", "clairvoyant")
assert {*_FIRST, *_RIVALS, "attention"} == {*POLICIES}
# No server could do so: Marconi told beforehand which of its alphas will have most hits.
_HINDSIGHT: Final = "marconi with the α that turns out best"


class _Series(NamedTuple):
    form: Format
    name: str
    n_conversations: int | None
    seeds: Sequence[int]
    rooms: Sequence[int]
    rivals: Sequence[str]
    title: str


_SERIES: Final = (
    _Series(
        Format.CLAUDE_CODE,
        "claude-code/conversations.jsonl.gz",
        100,
        (1, 2, 3),
        (32, 64, 128),
        (*_RIVALS, _HINDSIGHT),
        "**claude-code**, 100 conversations, mean of seeds 1, 2 and 3",
    ),
    _Series(
        Format.MOONCAKE,
        "mooncake/conversation.jsonl.gz",
        None,
        (1,),
        (128, 512, 2048),
        _RIVALS,
        "**mooncake**, as recorded: there is nothing to draw",
    ),
)
Shares = dict[tuple[str, int, int], float]


def measured(traces: Path) -> str:
    """The tables, in percent."""
    records = Records("seeds")

    @cache
    def loaded(series: _Series, seed: int) -> tuple[Trace, int]:
        trace = load(traces / series.name, series.form, Interleaving(32, seed, series.n_conversations))
        return trace, oracle_hit_tokens(trace)

    def share(series: _Series, policy: str, seed: int, room: int) -> float:
        trace, n_oracle = loaded(series, seed)
        cost = Cost(MODELS["Qwen3.6-27B"])
        setting = Setting(trace, cost.model, Capacity(room))
        if policy == _HINDSIGHT:
            made: list[Policy] = [Marconi(setting.store, cost.model, alpha) for alpha in ALPHAS]
        else:
            made = [POLICIES[policy](setting)]
        return max(
            replay(trace, one, cost, name=policy, capacity=str(room), n_oracle=n_oracle).of_oracle for one in made
        )

    shares: dict[_Series, Shares] = {series: {} for series in _SERIES}
    for policy in (*_FIRST, *_RIVALS, _HINDSIGHT):
        for series in (series for series in _SERIES if policy in (*_FIRST, *series.rivals)):
            for seed in series.seeds:
                for room in series.rooms:
                    case = {"trace": series.form.value, "seed": seed, "policy": policy, "room": room}
                    found = records.get(case, lambda *at: {"of_oracle": share(*at)}, series, policy, seed, room)
                    shares[series][policy, seed, room] = found["of_oracle"]
    return "\n" + "\n".join(_table(series, found) for series, found in shares.items()) + "\n"


def _table(series: _Series, shares: Shares) -> str:
    """Means of the policies; `segue` beside the best of the others and beside `clairvoyant` where it is least."""

    def mean(policy: str, room: int) -> str:
        return f"{100 * sum(shares[policy, seed, room] for seed in series.seeds) / len(series.seeds):.1f}"

    def of_clairvoyant(room: int) -> str:
        return f"{100 * min(shares['segue', s, room] / shares['clairvoyant', s, room] for s in series.seeds):.1f}"

    def margin(room: int) -> str:
        over, rival = min(
            (shares["segue", s, room] - shares[r, s, room], r) for r in series.rivals for s in series.seeds
        )
        return f"{100 * over:+.2f} ({rival})"

    lines = [f"{series.title}, % of the possible hits:\n", f"| policy | {' | '.join(map(str, series.rooms))} |"]
    lines.append("|---|" + "--:|" * len(series.rooms))
    shown = {policy: f"`{policy}`" if policy in POLICIES else policy for policy in (*_FIRST, *series.rivals)}
    rows = {name: [mean(policy, room) for room in series.rooms] for policy, name in shown.items()}
    rows["smallest share of `clairvoyant` that `segue` reaches, %"] = [of_clairvoyant(room) for room in series.rooms]
    rows["smallest lead of `segue` over another online policy, points"] = [margin(room) for room in series.rooms]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows.items()]
    return "\n".join(lines) + "\n"
