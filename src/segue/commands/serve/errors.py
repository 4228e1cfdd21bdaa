"""Why a server does not start."""


class FlagError(Exception):
    """A flag that `segue serve` does not take, or a value that it cannot have; the message says what to do."""


class StartError(Exception):
    """The server cannot start; the message is one line that says what to do."""
