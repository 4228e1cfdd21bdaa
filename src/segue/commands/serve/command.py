"""`segue serve` on the command line."""

from typing import Annotated

from cyclopts import Parameter

from segue.settings import Settings


def serve(*, settings: Annotated[Settings | None, Parameter(name="*")] = None) -> int:
    """Serve a model: OpenAI's API and llama-server's own.

    Flags and variables are llama-server's where they mean the same. A flag without a variable of its own has one
    that starts with SEGUE_, such as SEGUE_REPRODUCIBLE.
    """
    from segue.build import build
    from segue.commands.serve.run import serve

    return serve(Settings() if settings is None else settings, build)
