"""The command line: `segue`."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from segue import __version__
from segue.commands.demo import demo
from segue.commands.doctor.command import doctor, run_doctor
from segue.commands.serve.command import run_line, serve
from segue.commands.serve.errors import FlagError
from segue.commands.warm.command import warm
from segue.engine.errors import ModelError
from segue.settings.flags import setting_flags
from segue.sim.traces.error import TraceError
from segue.storage.errors import DiskError

app = App(
    name="segue",
    version=__version__,
    help="A server for GGUF language models that never reads again what it has read.",
    help_epilogue="segue serve -m model.gguf starts a server; segue serve --help shows its flags.",
    result_action="return_value",
)
app.command(serve)
app.command(doctor)
app.command(demo)
app.command(warm)
# Imported only when they are called, so that a server starts sooner.
LAZY = {
    "segue.commands.cache.command:cache": (
        "Look at the checkpoints in a server's --cache-dir, verify them, pin or remove them."
    ),
    "segue.commands.sim.command:sim": (
        "Replay recorded requests under rules for keeping checkpoints, Segue's own and others'."
    ),
}
for _path, _help in LAZY.items():
    app.command(_path, help=_help)


_HELP = frozenset({"--help", "-h", "--usage"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code.

    That is 2 for a command line that cannot be understood, and 1 for what failed, after one line that says why.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        if tokens[:1] == ["serve"] and not _HELP.intersection(tokens):
            return run_line(tokens[1:])
        if tokens[:1] == ["doctor"] and not _HELP.intersection(tokens):
            return run_doctor(tokens[1:])
        if tokens and tokens[0] in setting_flags():
            raise FlagError(f"{tokens[0]} is a flag of segue serve: put serve before it")
        # Its flags are read otherwise, so that cyclopts only shows them.
        tokens = [tokens[0], "--help"] if tokens[:1] in (["serve"], ["doctor"]) else tokens
        result = app(tokens, exit_on_error=False, print_error=False)
    except (CycloptsError, FlagError) as error:
        print(f"segue: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except (DiskError, ModelError, TraceError) as error:
        print(f"segue: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) else 0
