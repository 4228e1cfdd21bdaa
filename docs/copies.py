"""Segue on machines that copy slowly or fast, if the rule knows that and if it does not."""

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Final

from records import Record, Records

from segue.sim.capacity import Capacity
from segue.sim.cost import Cost
from segue.sim.model import MODELS
from segue.sim.registry import POLICIES, Setting
from segue.sim.replay import Result, oracle_hit_tokens, replay
from segue.sim.trace import Format, Interleaving, Trace, load

_MODEL: Final = MODELS["Qwen3.6-27B"]
_RATES: Final = (0.5e9, 25e9)
_ROOMS: Final = (Capacity(32), Capacity(128))


def measured(traces: Path) -> str:
    """The table."""
    records = Records("copies")

    @cache
    def loaded() -> tuple[Trace, int]:
        interleaving = Interleaving(32, 1, 100)
        trace = load(traces / "claude-code/conversations.jsonl.gz", Format.CLAUDE_CODE, interleaving)
        return trace, oracle_hit_tokens(trace)

    def served(cost: Cost, room: Capacity, *, is_priced: bool) -> Record:
        trace, n_oracle = loaded()
        made = POLICIES["segue"](Setting(trace, cost.model, room, cost.prices if is_priced else None))
        return asdict(replay(trace, made, cost, name="segue", capacity=str(room), n_oracle=n_oracle))

    lines = [
        "\n| room | copies, GB/s | priced | hits, % of the possible | checkpoints a request | copying, s a request |"
        " first token p50 s | p95 s |",
        "|--:|--:|---|--:|--:|--:|--:|--:|",
    ]
    for room in _ROOMS:
        for rate in _RATES:
            for is_priced in (False, True):
                case = {"room": str(room), "bytes_per_s": rate, "priced": is_priced}
                cost = Cost(_MODEL, copy_bytes_per_s=rate)
                found = Result(**records.get(case, lambda c=cost, r=room, p=is_priced: served(c, r, is_priced=p)))
                n_each = found.checkpoints_taken / found.requests
                lines.append(
                    f"| {room} | {rate / 1e9:g} | {'yes' if is_priced else 'no'} | {100 * found.of_oracle:.1f} | "
                    f"{n_each:.2f} | {n_each * _MODEL.n_bytes_state / rate:.3f} | "
                    f"{found.ttft_p50_s:.2f} | {found.ttft_p95_s:.2f} |"
                )
    return "\n".join(lines) + "\n\n"
