"""`segue cache` on the command line."""

from cyclopts import App

from segue.commands.cache.changes import pin, prune, rm
from segue.commands.cache.queries import ls, show
from segue.commands.cache.verify import verify

cache = App(
    name="cache",
    help="Look at the checkpoints in a server's --cache-dir, verify them, pin or remove them.",
    help_epilogue="ls and show work while a server uses the directory; the other commands need exclusive use of it.",
    result_action="return_value",
)
for command in (ls, show, verify, rm, prune, pin):
    cache.command(command)
