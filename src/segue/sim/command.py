"""`segue sim` on the command line."""

from cyclopts import App

from segue.sim.compare_command import compare
from segue.sim.fleet_command import fleet
from segue.sim.replay_command import replay
from segue.sim.tune_command import tune

sim = App(
    name="sim",
    help="Replay recorded requests under rules for keeping checkpoints, Segue's own and others'.",
    help_epilogue="segue sim replay conversation.jsonl.gz --format mooncake --capacity 128,512",
    result_action="return_value",
)
for command in (replay, compare, tune, fleet):
    sim.command(command)
