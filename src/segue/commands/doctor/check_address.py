"""Whether the server can listen at its addresses."""

from collections.abc import Iterator

from segue.commands.doctor.finding import Finding
from segue.commands.doctor.setup import Setup
from segue.commands.serve.errors import StartError
from segue.commands.serve.listeners import bind, close


def check_address(setup: Setup) -> Iterator[Finding]:
    """Take the addresses for a moment, as a server would."""
    settings = setup.settings
    try:
        close(bind(settings), settings)
    except StartError as error:
        text, _, advice = str(error).rpartition("; ")
        other = {"host": "127.0.0.1"} if "--host" in advice else {"port": str(_free_port(setup))}
        yield setup.fault(text or advice, **other)


def _free_port(setup: Setup) -> int:
    """The next port that is free, or one of the system's choice."""
    settings = setup.settings
    for port in (*range(settings.port + 1, min(settings.port + 20, 65_536)), 0):
        other = settings.model_copy(update={"port": port})
        try:
            listeners = bind(other)
        except StartError:
            continue
        found = int(listeners[0].getsockname()[1])
        close(listeners, other)
        return found
    return 0
