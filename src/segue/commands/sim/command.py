"""`segue sim` on the command line."""

from cyclopts import App

from segue.commands.sim.compare import compare
from segue.commands.sim.fleet import fleet
from segue.commands.sim.replay import replay
from segue.commands.sim.tune import tune

sim = App(
    name="sim",
    help="Replay recorded requests under rules for keeping checkpoints, Segue's own and others'.",
    help_epilogue="segue sim replay conversation.jsonl.gz --format mooncake --capacity 128,512",
    result_action="return_value",
)
for command in (replay, compare, tune, fleet):
    sim.command(command)
