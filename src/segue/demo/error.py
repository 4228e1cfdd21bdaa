"""The error that ends the demo early."""


class DemoError(Exception):
    """The demo cannot go on; the message is one line that says why. `log` is the end of the server's, if that helps."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log
