"""The parts of the benchmark, by the names that `--only` takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from bench import copies, day, drafts, moves, mtp, overhead, planning, restart, restore, s26, s27, speed, ttft
from bench.options import Options
from bench.row import Row

Run = Callable[[Options, Callable[[], None]], list[Row]]


@dataclass(frozen=True, slots=True)
class Part:
    """`run` measures and calls its second argument after each of `n_steps`."""

    title: str
    n_steps: Callable[[Options], int]
    run: Run


PARTS: Final[Mapping[str, Part]] = {
    "day": Part("A day of four agents on two slots", day.n_steps, day.run),
    "ttft": Part("Time to the first token of a follow-up", ttft.n_steps, ttft.run),
    "speed": Part("Speed of both servers", speed.n_steps, speed.run),
    "s26": Part("154,658 tokens, 15 of another kind, and back", s26.n_steps, s26.run),
    "s27": Part("A message that stands in one request only", s27.n_steps, s27.run),
    "restart": Part("The first token after a restart", restart.n_steps, restart.run),
    "restore": Part("Restoring from host and disk", restore.n_steps, restore.run),
    "copies": Part("Copies of states and cells", copies.n_steps, copies.run),
    "moves": Part("Moves beside replies", moves.n_steps, moves.run),
    "planning": Part("Planning a request", planning.n_steps, planning.run),
    "drafts": Part("Replies of real agents, drafted", drafts.n_steps, drafts.run),
    "mtp": Part("Replies drafted by a layer of the model", mtp.n_steps, mtp.run),
    "overhead": Part("What Segue adds to libllama", overhead.n_steps, overhead.run),
}
