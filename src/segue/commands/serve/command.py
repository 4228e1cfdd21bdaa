"""`segue serve` on the command line."""

import os
from collections.abc import Sequence
from typing import Annotated

from cyclopts import Parameter
from pydantic import ValidationError

from segue import __version__
from segue.commands.serve.command_line import read_line
from segue.commands.serve.config_files import config_options
from segue.commands.serve.errors import FlagError
from segue.commands.serve.hub import cached_models
from segue.settings import Settings
from segue.settings.flags import explain
from segue.settings.vertex import VertexSettings


def serve(*, settings: Annotated[Settings | None, Parameter(name="*")] = None) -> None:
    """Serve a model: OpenAI's API and llama-server's own.

    Flags and variables are llama-server's; docs/flags.md says what becomes of each of them. A flag without a variable
    of its own has one that starts with SEGUE_, such as SEGUE_REPRODUCIBLE.
    """


def run_line(arguments: Sequence[str]) -> int:
    """Run `segue serve` with these arguments; its exit code. Raises FlagError for a line that is not understood."""
    from segue.build import build
    from segue.commands.serve.run import serve

    line = read_line(arguments, os.environ, config_options(os.environ))
    if line.prints:
        print("\n".join(_listed(line.prints)))
        return 0
    try:
        settings = line.settings()
    except ValidationError as error:
        raise FlagError(explain(error)) from error
    try:
        vertex = VertexSettings()
    except ValidationError as error:
        first = error.errors()[0]
        raise FlagError(f"AIP_{str(first['loc'][0]).upper()}: {first['msg']}") from error
    if vertex.is_on:
        settings = settings.model_copy(update={"port": vertex.http_port})
    return serve(settings, build, line.warnings)


def _listed(subject: str) -> list[str]:
    """The lines of a list that can be shown without a model."""
    if subject == "version":
        return [__version__]
    if subject == "models":
        return cached_models() or ["no models in the caches"]
    from segue.engine.devices import DeviceKind, list_devices

    rows = [
        f"  {device.name}: {device.description} ({device.total_bytes >> 20} MiB, {device.free_bytes >> 20} MiB free)"
        for device in list_devices()
        if device.kind is not DeviceKind.CPU
    ]
    return ["Available devices:", *(rows or ["  (none)"])]
